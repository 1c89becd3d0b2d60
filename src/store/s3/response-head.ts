import { S3Broken } from "./failure.ts";

/** The head of an HTTP/1.1 answer, as far as reading objects needs it. */
export interface ResponseHead {
  readonly status: number;
  /** Bytes of the body; undefined when the head does not tell: then the connection ends with it. */
  readonly length: number | undefined;
  readonly etag: string | undefined;
  /** First byte and length of the whole, from `Content-Range` (RFC 9110 §14.4). */
  readonly range: { readonly start: number; readonly end: number; readonly size: number } | undefined;
  /** MinIO's reason where the answer has no body. */
  readonly s3Code: string;
  readonly keepsAlive: boolean;
}

/** @param text status line and fields, without the empty line at the end */
export function parseResponseHead(text: string): ResponseHead {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first);
  if (status === null) throw new S3Broken("the answer is no HTTP/1.1");
  const fields = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new S3Broken("the answer has a malformed head");
    const name = line.slice(0, colon).toLowerCase();
    // RFC 9112 §6.3: two lengths are none that could be trusted.
    if (name === "content-length" && fields.has(name)) throw new S3Broken("the answer has two lengths");
    fields.set(name, line.slice(colon + 1).trim());
  }
  return {
    status: Number(status[2]),
    length: fields.has("transfer-encoding") ? undefined : lengthOf(fields.get("content-length")),
    etag: fields.get("etag"),
    range: rangeOf(fields.get("content-range")),
    s3Code: fields.get("x-minio-error-code") ?? "",
    keepsAlive: status[1] === "1" && !/\bclose\b/i.test(fields.get("connection") ?? ""),
  };
}

function lengthOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new S3Broken("the answer has a malformed length");
  return Number(text);
}

function rangeOf(text: string | undefined): ResponseHead["range"] {
  if (text === undefined) return undefined;
  const [, start, end, size] = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(text) ?? [];
  if (start === undefined) throw new S3Broken("the answer has a malformed range");
  return { start: Number(start), end: Number(end) + 1, size: Number(size) };
}
