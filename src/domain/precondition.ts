/** The conditional headers of a GET or HEAD, unparsed. RFC 9110 §13. */
export interface Conditionals {
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly ifMatch: string | undefined;
  readonly ifUnmodifiedSince: string | undefined;
  readonly ifRange: string | undefined;
}

export interface Validators {
  /** Quoted strong entity tag; undefined until the sha256 is known. */
  readonly etag: string | undefined;
  readonly lastModified: Date | undefined;
}

export type PreconditionVerdict = "proceed" | "not-modified" | "failed";

/** Evaluates the conditionals in the order of RFC 9110 §13.2.2 (If-Range apart). */
export function evaluate(conditionals: Conditionals, current: Validators): PreconditionVerdict {
  if (conditionals.ifMatch !== undefined) {
    if (!listed(conditionals.ifMatch, current.etag, "strong")) return "failed";
  } else if (
    conditionals.ifUnmodifiedSince !== undefined &&
    newerThan(current.lastModified, conditionals.ifUnmodifiedSince) === true
  ) {
    return "failed";
  }
  if (conditionals.ifNoneMatch !== undefined) {
    return listed(conditionals.ifNoneMatch, current.etag, "weak") ? "not-modified" : "proceed";
  }
  const unchanged =
    conditionals.ifModifiedSince !== undefined &&
    newerThan(current.lastModified, conditionals.ifModifiedSince) === false;
  return unchanged ? "not-modified" : "proceed";
}

/** True when the Range may be honoured. RFC 9110 §13.1.5: strong comparison, dates exact. */
export function rangeHolds(ifRange: string | undefined, current: Validators): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"')) return current.etag !== undefined && ifRange === current.etag;
  const date = Date.parse(ifRange);
  return (
    !Number.isNaN(date) &&
    current.lastModified !== undefined &&
    seconds(current.lastModified.getTime()) === seconds(date)
  );
}

function listed(header: string, etag: string | undefined, comparison: "strong" | "weak"): boolean {
  if (header.trim() === "*") return true;
  if (etag === undefined) return false;
  return header.split(",").some((item) => {
    const tag = item.trim();
    return tag === etag || (comparison === "weak" && tag === `W/${etag}`);
  });
}

/** undefined when the header is not a date: then it is ignored. */
function newerThan(current: Date | undefined, header: string): boolean | undefined {
  const date = Date.parse(header);
  if (Number.isNaN(date) || current === undefined) return undefined;
  return seconds(current.getTime()) > seconds(date);
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
