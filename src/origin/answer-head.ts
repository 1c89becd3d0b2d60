import type { IncomingHttpHeaders } from "node:http";
import { CisternError } from "../domain/errors.ts";
import type { SourceHead, SourceRequest, Validator } from "../domain/source.ts";
import { retryAfter } from "./retry-after.ts";
import { strongValidator } from "./strong-validator.ts";

/** What the head of a final answer says about its body. */
export interface AnswerHead {
  readonly status: 200 | 206;
  readonly offset: number;
  /** Bytes of the whole. */
  readonly total: number | undefined;
  /** Bytes of this body. */
  readonly length: number | undefined;
  readonly framed: boolean;
  readonly validator: Validator | undefined;
}

/**
 * Reads the head of an answer to `request`, strictly. Throws `origin-refused`, `origin-failed`,
 * `origin-loop`, `origin-encoded` or `origin-broken`.
 */
export function readHead(
  status: number,
  headers: IncomingHttpHeaders,
  request: Pick<SourceRequest, "offset" | "validator" | "acceptEncoded">,
  now: Date,
): AnswerHead {
  refuseStatus(status, headers, now);
  if (!request.acceptEncoded && isEncoded(headers)) {
    throw new CisternError("origin-encoded", "the origin sends a content coding that was not asked for", {
      originStatus: status,
    });
  }
  const chunked = isChunked(headers);
  const length = contentLength(headers);
  const framed = chunked || length !== undefined;
  const own = strongValidator(single(headers.etag), single(headers["last-modified"]), single(headers.date));
  if (status === 200) return { status, offset: 0, total: length, length, framed, validator: own };
  if (status !== 206) throw broken(status, "the origin answers with a status that was not asked for");
  const range = contentRange(headers, status);
  if (request.offset === 0 || range.first !== request.offset || range.last >= range.total) {
    throw broken(status, "the origin sends another range than was asked for");
  }
  const expected = range.last - range.first + 1;
  if (length !== undefined && length !== expected) throw broken(status, "the origin's range and length disagree");
  // A 206 may leave the validator out; that it came at all says that the one asked for still holds.
  const validator = own ?? request.validator;
  return { status, offset: range.first, total: range.total, length: expected, framed, validator };
}

const NOTHING: SourceHead = { size: undefined, validator: undefined };

/** What a HEAD tells; nothing when it tells of something else. */
export function toldHead(status: number, headers: IncomingHttpHeaders, now: Date): SourceHead {
  // Many origins know no HEAD, or have signed the URL for GET alone; only a missing object is sure.
  const unsure = status >= 400 && status < 500 && status !== 404 && status !== 410 && status !== 429;
  if (unsure || status === 501) return NOTHING;
  refuseStatus(status, headers, now);
  if (status !== 200 || isEncoded(headers)) return NOTHING;
  const validator = strongValidator(single(headers.etag), single(headers["last-modified"]), single(headers.date));
  return { size: contentLength(headers), validator };
}

function refuseStatus(status: number, headers: IncomingHttpHeaders, now: Date): void {
  if (status < 400) return;
  if (status === 508) throw new CisternError("origin-loop", "the location leads back to Cistern itself");
  const after = retryAfter(single(headers["retry-after"]), single(headers.date), now);
  const details = { originStatus: status, ...(after === undefined ? {} : { retryAfter: after }) };
  // 408 and 429 are about this moment, not about the location.
  if (status >= 500 || status === 429 || status === 408) {
    throw new CisternError("origin-failed", `the origin failed with status ${status}`, details);
  }
  throw new CisternError("origin-refused", `the origin refused with status ${status}`, details);
}

function isEncoded(headers: IncomingHttpHeaders): boolean {
  const coding = single(headers["content-encoding"])?.trim().toLowerCase() ?? "";
  return coding !== "" && coding !== "identity";
}

function isChunked(headers: IncomingHttpHeaders): boolean {
  const coding = single(headers["transfer-encoding"])?.trim().toLowerCase();
  if (coding === undefined) return false;
  // No TE was sent: RFC 9112 §7.4 leaves the origin nothing but chunks.
  if (coding !== "chunked") throw broken(undefined, "the origin sends a transfer coding that was not asked for");
  return true;
}

function contentLength(headers: IncomingHttpHeaders): number | undefined {
  const text = single(headers["content-length"]);
  if (text === undefined || headers["transfer-encoding"] !== undefined) return undefined;
  const length = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw broken(undefined, "the origin announces a length that is none");
  return length;
}

/** RFC 9110 §14.4. A range of an unknown whole is refused: its end would not tell the end of the content. */
function contentRange(headers: IncomingHttpHeaders, status: number): { first: number; last: number; total: number } {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(single(headers["content-range"]) ?? "");
  const [first, last, total] = (match ?? []).slice(1).map(Number);
  const exact = [first, last, total].every(Number.isSafeInteger);
  if (first === undefined || last === undefined || total === undefined || !exact || last < first) {
    throw broken(status, "the origin does not say which range it sends");
  }
  return { first, last, total };
}

/** A header that may come once; one that comes several times says nothing that can be relied on. */
function single(value: string | string[] | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function broken(status: number | undefined, message: string): CisternError {
  return new CisternError("origin-broken", message, status === undefined ? {} : { originStatus: status });
}
