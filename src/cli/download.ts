import { setTimeout as sleep } from "node:timers/promises";
import type { ApiAnswer, ApiClient } from "./api-client.ts";
import type { Outcome } from "./cache-status.ts";
import { parseCacheStatus } from "./cache-status.ts";
import { lengthOf, rangeStartOf, sha256Of } from "./download-headers.ts";
import type { DownloadTarget } from "./download-target.ts";
import { EXIT, Failure } from "./failure.ts";

const ATTEMPTS = 6;
const LONGEST_WAIT_S = 60;

export interface DownloadWatcher {
  /** Called after each write. `total` in bytes, undefined while unknown. */
  moved(bytes: number, total: number | undefined, outcome: Outcome | undefined): void;
  /** The server asks to come back, or the connection broke: tried again by itself after the wait. */
  waiting(failure: Failure, seconds: number): void;
}

export interface Downloaded {
  /** Of the first answer: what this download met. */
  readonly outcome: Outcome | undefined;
  /** Hexadecimal SHA-256 that the server names for these bytes; undefined: it named none. */
  readonly promised: string | undefined;
}

/**
 * Brings the bytes of a path into the target, from where the target stands. Goes on by itself, with
 * Range and If-Range, when the connection breaks or the server is busy. Does not judge the digest.
 */
export async function download(
  client: ApiClient,
  path: string,
  target: DownloadTarget,
  watcher: DownloadWatcher,
  signal: AbortSignal,
): Promise<Downloaded> {
  let outcome: Outcome | undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await openAtOffset(client, path, target, signal);
      outcome ??= parseCacheStatus(answer.headers["cache-status"]);
      await copy(answer, target, (total) => watcher.moved(target.offset, total, outcome));
      return { outcome, promised: sha256Of(answer.headers) };
    } catch (error) {
      const failure = failureOfDownload(error, signal);
      const after = failure instanceof Failure ? failure.details.retryAfter : undefined;
      if (!(failure instanceof Failure) || after === undefined || attempt === ATTEMPTS) throw failure;
      const seconds = Math.min(Math.max(after, 1), LONGEST_WAIT_S);
      watcher.waiting(failure, seconds);
      await pause(seconds * 1000, signal);
    }
  }
}

/**
 * Asks for what is missing. Without an entity tag nothing proves that the rest belongs to the start,
 * and it begins again. Nothing missing: the answer of the HEAD, which has no bytes.
 */
async function openAtOffset(
  client: ApiClient,
  path: string,
  target: DownloadTarget,
  signal: AbortSignal,
): Promise<ApiAnswer> {
  if (target.offset === 0) return client.open({ method: "GET", path }, signal);
  const head = await client.open({ method: "HEAD", path }, signal);
  const { etag } = head.headers;
  const size = lengthOf(head.headers) ?? Number.POSITIVE_INFINITY;
  if (etag !== undefined && size === target.offset) return head;
  head.discard();
  if (etag !== undefined && size > target.offset) {
    const headers = { range: `bytes=${target.offset}-`, "if-range": etag };
    const answer = await client.open({ method: "GET", path, headers }, signal);
    if (answer.status === 206 && rangeStartOf(answer.headers) === target.offset) return answer;
    answer.discard();
  }
  if (await target.restart()) return client.open({ method: "GET", path }, signal);
  throw new Failure(`the connection broke, and ${target.name} cannot begin again`, {
    exit: EXIT.unreachable,
    code: "connection-broken",
    hint: "write to a file (-o FILE): then the command goes on where it stopped",
  });
}

async function copy(
  answer: ApiAnswer,
  target: DownloadTarget,
  moved: (total: number | undefined) => void,
): Promise<void> {
  const total = lengthOf(answer.headers);
  moved(total);
  for await (const chunk of answer.body) {
    await target.write(chunk);
    moved(total);
  }
}

/** A file that cannot be written is no failure of the server, and stays what it is. */
function failureOfDownload(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted) return error;
  return new Failure("interrupted", { exit: EXIT.interrupted, code: "interrupted", cause: error });
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal });
  } catch (error) {
    throw failureOfDownload(error, signal);
  }
}
