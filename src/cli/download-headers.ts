import type { IncomingHttpHeaders } from "node:http";

/** Bytes of the whole: from Content-Range, else Content-Length; undefined: not told. */
export function lengthOf(headers: IncomingHttpHeaders): number | undefined {
  const range = /^bytes (?:\d+-\d+|\*)\/(\d+)$/.exec(headers["content-range"] ?? "");
  const text = range?.[1] ?? (headers["content-range"] === undefined ? headers["content-length"] : undefined);
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** First byte of a 206; undefined: it does not say. */
export function rangeStartOf(headers: IncomingHttpHeaders): number | undefined {
  const first = /^bytes (\d{1,15})-/.exec(headers["content-range"] ?? "")?.[1];
  return first === undefined ? undefined : Number(first);
}

/** Hexadecimal SHA-256 of the whole that the headers promise: Repr-Digest (RFC 9530), else a sha256 entity tag. */
export function sha256Of(headers: IncomingHttpHeaders): string | undefined {
  const repr = headers["repr-digest"];
  const text = typeof repr === "string" ? repr : repr?.join(", ");
  const base64 = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/.exec(text ?? "")?.[1];
  if (base64 !== undefined) return Buffer.from(base64, "base64").toString("hex");
  return /^"(?:sha-?256[:-])?([0-9a-f]{64})"$/.exec(headers.etag ?? "")?.[1];
}
