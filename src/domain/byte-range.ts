/** A Range header after parsing; what it means is decided when the size is known. RFC 9110 §14. */
export type RangeRequest =
  | { readonly kind: "whole" }
  /** Bytes first..last, both included; `last` undefined: to the end. */
  | { readonly kind: "from"; readonly first: number; readonly last: number | undefined }
  /** The last `length` bytes. */
  | { readonly kind: "suffix"; readonly length: number };

/** Bytes start (included) to end (excluded). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const WHOLE: RangeRequest = { kind: "whole" };

/**
 * Parses one byte range. Several ranges, other units and malformed headers are ignored and mean
 * the whole (RFC 9110 §14.2 lets a server ignore any Range).
 */
export function parseRange(header: string | undefined): RangeRequest {
  const match = header === undefined ? null : /^bytes=[ \t]*(\d{0,16})-(\d{0,16})[ \t]*$/i.exec(header);
  if (match === null) return WHOLE;
  const [, from = "", to = ""] = match;
  if (from === "" && to === "") return WHOLE;
  if (from === "") return { kind: "suffix", length: Number(to) };
  const first = Number(from);
  const last = to === "" ? undefined : Number(to);
  return last !== undefined && last < first ? WHOLE : { kind: "from", first, last };
}

/** The bytes of a representation of `size` bytes that are asked for; undefined: not satisfiable. */
export function resolveRange(range: RangeRequest, size: number): ByteRange | undefined {
  if (range.kind === "whole") return { start: 0, end: size };
  if (range.kind === "suffix") {
    return range.length === 0 || size === 0 ? undefined : { start: Math.max(0, size - range.length), end: size };
  }
  if (range.first >= size) return undefined;
  return { start: range.first, end: Math.min(size, (range.last ?? size - 1) + 1) };
}
