import type { IncomingHttpHeaders } from "node:http";
import type { Credential } from "./credential.ts";
import type { ExitCode } from "./failure.ts";
import { EXIT, Failure } from "./failure.ts";
import type { ProblemBody } from "./problem-body.ts";

/** An answer that is no success, with what to do about it. */
export function failureOfStatus(
  status: number,
  headers: IncomingHttpHeaders,
  problem: ProblemBody,
  credential: Credential,
): Failure {
  const after = Number(headers["retry-after"]);
  const hint = hintOf(status, problem.code, credential);
  return new Failure(problem.message ?? `the server answers ${status}`, {
    exit: exitOf(status, problem.code),
    code: problem.code ?? `http-${status}`,
    status,
    // Of a precondition the field is a header that the command has set.
    fields: status === 412 ? [] : problem.fields,
    ...(hint === undefined ? {} : { hint }),
    ...(status === 503 && Number.isFinite(after) ? { retryAfter: after } : {}),
  });
}

/** A connection that did not come about, or broke. */
export function failureOfTransport(error: unknown, url: URL): Failure {
  if (error instanceof Failure) return error;
  const name = error instanceof Error ? error.name : "";
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  if (name === "AbortError") {
    return new Failure("interrupted", { exit: EXIT.interrupted, code: "interrupted", cause: error });
  }
  if (code === "ECONNREFUSED") {
    return new Failure(`nothing listens at ${url.origin}`, {
      exit: EXIT.unreachable,
      code: "connection-refused",
      hint: "is Cistern running? start it with: npm start (another address: --url or CISTERN_URL)",
      cause: error,
    });
  }
  const broken = code === "ECONNRESET" || code === "EPIPE";
  const secure = url.protocol === "https:";
  return new Failure(broken ? `the connection to ${url.origin} broke` : `cannot reach ${url.origin} (${code})`, {
    exit: EXIT.unreachable,
    code: broken ? "connection-broken" : "unreachable",
    hint: broken ? brokenHint(secure) : unreachableHint(code, secure),
    cause: error,
    ...(broken ? { retryAfter: 1 } : {}),
  });
}

function brokenHint(secure: boolean): string {
  const log = "the server's log tells why";
  return secure ? log : `${log}, unless it is https:// that it speaks`;
}

/** Codes of certificates that no authority known here vouches for. */
const UNTRUSTED = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+)$/;

function unreachableHint(code: string, secure: boolean): string {
  if (UNTRUSTED.test(code)) return "name the PEM file of the authority of its certificate in NODE_EXTRA_CA_CERTS";
  if (secure && code === "EPROTO") return "it speaks no TLS: is it http://?";
  return "check the address: --url or CISTERN_URL";
}

function exitOf(status: number, code: string | undefined): ExitCode {
  if (code === "invalid-input" || code === "unknown-field") return EXIT.usage;
  if (status === 404) return EXIT.notFound;
  if (status === 401 || status === 403) return EXIT.denied;
  if (code === "digest-mismatch" || code === "size-mismatch") return EXIT.mismatch;
  return EXIT.failed;
}

/** By the server's code, where what to do is not the same for all that have the status. */
const HINTS: Readonly<Record<string, string>> = {
  "address-not-allowed": "to open a private range to origins, start the server with CISTERN_ORIGIN_ALLOW=CIDR",
  "host-not-allowed": "the server's CISTERN_ORIGIN_HOSTS lists what members may name; admins may name any host",
  "digest-mismatch": "the origin has other bytes, or the record is wrong: delete it (cistern rm), and add it again",
  "size-mismatch": "the origin has other bytes, or the record is wrong: delete it (cistern rm), and add it again",
  "catalog-unavailable": "try again in a moment; /readyz with the admin's token names the part that is missing",
  "store-unavailable":
    "try again in a moment; /readyz with the admin's token names the part that is missing, and cistern cache ls --state quarantined what is damaged",
  "policy-denied": "cistern policy explain tells which rules match",
  "content-blocked": "cistern cache blocks tells why, and since when",
  "content-is-pinned": "--force takes it all the same",
  "content-is-irreplaceable": "--force takes it all the same",
  "egress-quota": "cistern quota show tells what the project may have, and has used",
  "precondition-failed": "look at what it is by now, and try again",
  "content-not-found": "cistern cache ls shows what is here",
  "fill-not-found": "cistern fill ls shows their ids",
  "job-not-found": "cistern cache jobs shows their ids",
  "token-not-found": "cistern token ls shows their ids",
  "version-not-found": "cistern policy versions shows which there are",
  "path-not-found": "tokens are at the address of CISTERN_ADMIN_LISTEN when the server has one: --url",
};

function hintOf(status: number, code: string | undefined, credential: Credential): string | undefined {
  const own = code === undefined ? undefined : HINTS[code];
  if (own !== undefined) return own;
  if (status === 404 && code === undefined) return "is it Cistern that listens there? (--url, CISTERN_URL)";
  if (status === 401) {
    const here =
      credential.from === credential.adminTokenFile ? "" : ` (here it would be ${credential.adminTokenFile})`;
    const where = `the admin's is CISTERN_ADMIN_TOKEN of the server, or the file admin-token of its data directory${here}`;
    return credential.token === undefined
      ? `no token was sent: give one with --token or CISTERN_TOKEN; ${where}`
      : `the token from ${credential.from} is not accepted; ${where}`;
  }
  if (status === 403) return `the token from ${credential.from} has too little for this`;
  if (status === 502 || status === 504)
    return "the origin failed, not Cistern: check its URL from the server's machine";
  return undefined;
}
