import { type ByteRange, type RangeRequest, resolveRange } from "../domain/byte-range.ts";
import { CisternError } from "../domain/errors.ts";
import { rangeHolds } from "../domain/precondition.ts";
import type { BlobFacts, BlobRequest } from "./opened-blob.ts";
import type { Tombstones } from "./tombstones.ts";

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

/** The bytes of verified content that are sent; what lies outside is `range-not-satisfiable`. */
export function satisfiable(
  request: BlobRequest,
  facts: BlobFacts,
  size: number,
  tombstones: Pick<Tombstones, "check">,
): Selection {
  // First, for download tools take a 416 to mean that what they have is complete.
  refuseWrongHead(request, tombstones);
  const selection = select(request, facts, size);
  if (selection !== undefined) return selection;
  throw new CisternError("range-not-satisfiable", `the range lies outside of the content's ${size} bytes`, {
    fields: [{ field: "header.range", rule: `must begin before byte ${size}` }],
    size,
  });
}

/** A range that would go on with bytes that have turned out wrong is refused (I1). */
export function refuseWrongHead(request: BlobRequest, tombstones: Pick<Tombstones, "check">): void {
  tombstones.check(request.ref, callerOf(request), request.range);
}

/** Where a range begins as far as the header tells; a suffix begins somewhere behind 0. */
export function startOf(range: RangeRequest): number {
  if (range.kind === "whole") return 0;
  return range.kind === "from" ? range.first : 1;
}

export function callerOf(request: BlobRequest): string {
  return `${request.principal.tokenId} ${request.address}`;
}
