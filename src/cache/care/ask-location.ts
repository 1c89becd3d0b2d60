import type { Behalf } from "../../domain/egress.ts";
import { CisternError } from "../../domain/errors.ts";
import { type ExternalLocation, urlHasSecret } from "../../domain/location.ts";
import type { LocationCheck } from "../../domain/revalidation.ts";
import type { Source, Validator } from "../../domain/source.ts";

/** What an origin says of a URL: as recorded; other bytes; nothing any more; or nothing that is certain (I7). */
export type Told =
  | { readonly kind: "delivers" | "changed"; readonly check: LocationCheck }
  | { readonly kind: "gone"; readonly check: LocationCheck }
  | { readonly kind: "doubt" };

const DOUBT: Told = { kind: "doubt" };
const NOTHING = { size: undefined, validator: undefined };

/**
 * Asks an origin whether it still delivers what was fetched from it, without the bytes: by HEAD, and where
 * that tells nothing by a GET that is left at its head.
 * @param before what it said last
 */
export async function askLocation(
  source: Pick<Source, "head" | "open">,
  asked: { readonly location: ExternalLocation; readonly behalf: Behalf },
  size: number,
  before: LocationCheck | undefined,
  signal: AbortSignal,
): Promise<Told> {
  try {
    const head = await source.head(asked, signal);
    return judge(
      head.size === undefined && head.validator === undefined ? await open(source, asked, signal) : head,
      size,
      before,
    );
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CisternError)) throw error;
    return isGone(error, asked.location) ? { kind: "gone", check: { delivers: false, ...NOTHING } } : DOUBT;
  }
}

async function open(
  source: Pick<Source, "open">,
  { location, behalf }: { readonly location: ExternalLocation; readonly behalf: Behalf },
  signal: AbortSignal,
) {
  const request = { location, behalf, offset: 0, validator: undefined, acceptEncoded: true };
  const answer = await source.open(request, signal);
  await answer.body[Symbol.asyncIterator]().return?.();
  return { size: answer.total, validator: answer.validator };
}

function judge(
  told: { readonly size: number | undefined; readonly validator: Validator | undefined },
  size: number,
  before: LocationCheck | undefined,
): Told {
  const validator = told.validator === undefined ? undefined : `${told.validator.kind} ${told.validator.value}`;
  const otherSize = told.size !== undefined && told.size !== size;
  const was = before?.validator;
  // What it said first stands for the recorded bytes: it may be back at it later.
  const otherValidator = was !== undefined && validator !== undefined && was !== validator;
  if (otherSize || otherValidator) {
    return { kind: "changed", check: { delivers: false, size: told.size, validator: was ?? validator } };
  }
  return { kind: "delivers", check: { delivers: true, size: told.size, validator: was ?? validator } };
}

/** 404 and 410; 401 and 403 of a URL that is signed, and has expired. Every other failure may pass. */
function isGone({ code, originStatus }: CisternError, location: ExternalLocation): boolean {
  if (code !== "origin-refused") return false;
  if (originStatus === 404 || originStatus === 410) return true;
  return (originStatus === 401 || originStatus === 403) && urlHasSecret(location.url);
}
