import type { Fence } from "./content.ts";
import { sha256 } from "./digest.ts";
import type { ErrorCode } from "./errors.ts";
import type { RelayRequest, RelayVerdict } from "./peer.ts";
import type { Validator } from "./source.ts";

/** How a relay is asked for and answered: both ends read and write it here. */
export const RELAY_PATH = "/internal/fills";

export const RELAY_FIELDS = {
  url: "cistern-relay-url",
  etag: "cistern-relay-validator-etag",
  lastModified: "cistern-relay-validator-last-modified",
  total: "cistern-relay-total",
  /** Trailer: `<sha256> <size>`. Without it, or the next, the connection broke. */
  verdict: "cistern-relay-verdict",
  /** Trailer: the code of the fill's failure. */
  failure: "cistern-relay-failure",
  /** Trailer, and header of what has none: proves the statement. */
  proof: "cistern-relay-proof",
} as const;

/** What a fill may fail with as its followers elsewhere hear it; anything else is `internal` to them. */
const RELAYED_FAILURES = [
  "address-not-allowed",
  "host-not-allowed",
  "origin-unreachable",
  "origin-timeout",
  "origin-refused",
  "origin-failed",
  "origin-broken",
  "origin-encoded",
  "origin-unframed",
  "origin-loop",
  "origin-backing-off",
  "policy-denied",
  "digest-mismatch",
  "size-mismatch",
  "content-changed",
  "spool-full",
  "too-busy",
  "fill-cancelled",
  "shutting-down",
  "store-unavailable",
  "catalog-unavailable",
] as const satisfies readonly ErrorCode[];

/** What comes before the bytes. */
export interface RelayHead {
  readonly url: string;
  readonly validator: Validator | undefined;
  readonly total: number | undefined;
}

/** What comes after them. */
export type RelayEnd =
  | { readonly kind: "verdict"; readonly verdict: RelayVerdict }
  | { readonly kind: "failure"; readonly code: RelayedFailure };

type RelayedFailure = (typeof RELAYED_FAILURES)[number] | "internal";

/** Header fields or trailers, by lower-case name. */
type Fields = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Path and query of a request. */
export function relayTarget({ holder, key, fence, offset, keep }: RelayRequest): string {
  return `${RELAY_PATH}?${new URLSearchParams({ key, fence: `${fence}`, offset: `${offset}`, keep: keep ? "1" : "0", holder })}`;
}

/** The request that a query names; undefined when it is none. */
export function readRelayTarget(query: URLSearchParams): RelayRequest | undefined {
  const [key, holder] = [query.get("key"), query.get("holder")];
  const [fence, offset] = [wholeNumber(query.get("fence")), wholeNumber(query.get("offset"))];
  if (!key || !holder || fence === undefined || offset === undefined) return undefined;
  return { key, holder, fence: fence as Fence, offset, keep: query.get("keep") === "1" };
}

export function relayHeadFields({ url, validator, total }: RelayHead): Record<string, string> {
  const fields: Record<string, string> = { [RELAY_FIELDS.url]: encodeURIComponent(url) };
  if (validator !== undefined) {
    const name = validator.kind === "etag" ? RELAY_FIELDS.etag : RELAY_FIELDS.lastModified;
    fields[name] = encodeURIComponent(validator.value);
  }
  if (total !== undefined) fields[RELAY_FIELDS.total] = String(total);
  return fields;
}

/** undefined: not what a replica writes. */
export function readRelayHead(fields: Fields): RelayHead | undefined {
  const url = decoded(fields[RELAY_FIELDS.url]);
  const etag = decoded(fields[RELAY_FIELDS.etag]);
  const lastModified = decoded(fields[RELAY_FIELDS.lastModified]);
  const total = wholeNumber(fields[RELAY_FIELDS.total]);
  if (url === undefined || (total === undefined && fields[RELAY_FIELDS.total] !== undefined)) return undefined;
  if (etag !== undefined) return { url, total, validator: { kind: "etag", value: etag } };
  if (lastModified !== undefined) return { url, total, validator: { kind: "last-modified", value: lastModified } };
  return { url, total, validator: undefined };
}

export function relayEndFields(end: RelayEnd): Record<string, string> {
  if (end.kind === "failure") return { [RELAY_FIELDS.failure]: end.code };
  return { [RELAY_FIELDS.verdict]: `${end.verdict.sha256} ${end.verdict.size}` };
}

/** undefined: the bytes had no proper end. */
export function readRelayEnd(fields: Fields): RelayEnd | undefined {
  const [verdict, failure] = [fields[RELAY_FIELDS.verdict], fields[RELAY_FIELDS.failure]];
  if (typeof failure === "string") return { kind: "failure", code: relayedFailure(failure) };
  if (typeof verdict !== "string") return undefined;
  const [, hex, digits] = /^([0-9a-f]{64}) (\d+)$/.exec(verdict) ?? [];
  const size = wholeNumber(digits);
  if (hex === undefined || size === undefined) return undefined;
  return { kind: "verdict", verdict: { sha256: sha256(hex), size } };
}

/** The code as peers are told it. */
export function relayedFailure(code: string | undefined): RelayedFailure {
  return RELAYED_FAILURES.find((known) => known === code) ?? "internal";
}

/** What a replica vouches for when it denies a fill, or to be the process that is asked. */
export const DENIAL = "denied";

/** What a replica vouches for at the end: all that it said about the bytes. */
export function relayStatement({ url, validator, total }: RelayHead, end: RelayEnd): string {
  const parts = [url, validator?.kind, validator?.value, total, ...Object.entries(relayEndFields(end)).flat()];
  return JSON.stringify(parts.map((part) => part ?? null));
}

function wholeNumber(text: string | readonly string[] | null | undefined): number | undefined {
  if (typeof text !== "string" || !/^\d{1,16}$/.test(text)) return undefined;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}

function decoded(text: string | readonly string[] | undefined): string | undefined {
  if (typeof text !== "string") return undefined;
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
