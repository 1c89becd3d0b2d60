import { type ByteRange, type RangeRequest, resolveRange } from "../domain/byte-range.ts";
import { CisternError } from "../domain/errors.ts";
import { rangeHolds } from "../domain/precondition.ts";
import type { BlobFacts, BlobRequest } from "./opened-blob.ts";

/** The bytes that are sent, and whether the answer says so (206). */
export interface Selection {
  readonly range: ByteRange;
  readonly partial: boolean;
}

/** undefined: the range lies outside of this size. */
export function select(request: BlobRequest, facts: BlobFacts, size: number): Selection | undefined {
  const wanted = rangeHolds(request.conditionals.ifRange, facts.validators) ? request.range : WHOLE;
  const range = resolveRange(wanted, size);
  return range === undefined ? undefined : { range, partial: wanted.kind !== "whole" };
}

const WHOLE: RangeRequest = { kind: "whole" };

export function unsatisfiable(size: number): CisternError {
  return new CisternError("range-not-satisfiable", `the range lies outside of the content's ${size} bytes`, {
    fields: [{ field: "header.range", rule: `must begin before byte ${size}` }],
    size,
  });
}

/** Where a range begins as far as the header tells; a suffix begins somewhere behind 0. */
export function startOf(range: RangeRequest): number {
  if (range.kind === "whole") return 0;
  return range.kind === "from" ? range.first : 1;
}

export function callerOf(request: BlobRequest): string {
  return `${request.principal.tokenId} ${request.address}`;
}
