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
  const hint = hintOf(status, credential);
  return new Failure(problem.message ?? `the server answers ${status}`, {
    exit: exitOf(status, problem.code),
    code: problem.code ?? `http-${status}`,
    status,
    fields: problem.fields,
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
  return new Failure(broken ? `the connection to ${url.origin} broke` : `cannot reach ${url.origin} (${code})`, {
    exit: EXIT.unreachable,
    code: broken ? "connection-broken" : "unreachable",
    hint: broken ? "the server's log tells why" : "check the address: --url or CISTERN_URL",
    cause: error,
    ...(broken ? { retryAfter: 1 } : {}),
  });
}

function exitOf(status: number, code: string | undefined): ExitCode {
  if (status === 404) return EXIT.notFound;
  if (status === 401 || status === 403) return EXIT.denied;
  if (code === "digest-mismatch" || code === "size-mismatch") return EXIT.mismatch;
  return EXIT.failed;
}

function hintOf(status: number, credential: Credential): string | undefined {
  if (status === 401) {
    const where = `the admin's token lies in the data directory of the server: ${credential.adminTokenFile}`;
    return credential.token === undefined
      ? `no token was sent: give one with --token or CISTERN_TOKEN; ${where}`
      : `the token from ${credential.from} is not accepted; ${where}`;
  }
  if (status === 403) return `the token from ${credential.from} has too little for this`;
  if (status === 502 || status === 504)
    return "the origin failed, not Cistern: check its URL from the server's machine";
  return undefined;
}
