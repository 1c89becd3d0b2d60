import { LRUCache } from "lru-cache";
import type { BlobRef } from "../domain/blob.ts";
import type { RangeRequest } from "../domain/byte-range.ts";
import { CisternError } from "../domain/errors.ts";

const DAY_MS = 24 * 3600 * 1000;
const EVERYBODY = "*";

/**
 * Who was given bytes that later failed. Their download tools resume with a range and would glue
 * the right tail to a wrong head, so until they begin anew such a range is refused (I1). Kept by the
 * blob's place, not by its record: a corrected location must not complete the files of a wrong one.
 */
export class Tombstones {
  readonly #graves = new LRUCache<string, true>({ max: 100_000, ttl: DAY_MS });
  /** Who has begun anew since everybody was buried. */
  readonly #anew = new LRUCache<string, true>({ max: 100_000, ttl: DAY_MS });

  /** @param callers token and address of each; undefined: whoever it was, nobody knows any more */
  bury(blobs: Iterable<BlobRef>, callers: ReadonlySet<string> | undefined): void {
    for (const blob of blobs) {
      if (callers === undefined) this.#buryAll(blob);
      else for (const caller of callers) this.#graves.set(nameOf(blob, caller), true);
    }
  }

  /** Takes it back: what they were given turned out to be the head of what goes on now. */
  lift(blobs: Iterable<BlobRef>, callers: ReadonlySet<string>): void {
    for (const blob of blobs) for (const caller of callers) this.#graves.delete(nameOf(blob, caller));
  }

  /**
   * Throws `digest-mismatch` for a range that goes on with condemned bytes. A read of everything, or
   * from byte 0 to the end, begins anew; a probe of the first bytes does not.
   */
  check(blob: BlobRef, caller: string, range: RangeRequest): void {
    if (this.#graves.size === 0) return;
    const name = nameOf(blob, caller);
    const buried = this.#graves.has(name) || (this.#graves.has(nameOf(blob, EVERYBODY)) && !this.#anew.has(name));
    if (!buried) return;
    if (range.kind === "whole" || (range.kind === "from" && range.first === 0 && range.last === undefined)) {
      this.#graves.delete(name);
      this.#anew.set(name, true);
      return;
    }
    if (range.kind === "from" && range.first === 0) return;
    throw new CisternError(
      "digest-mismatch",
      "the bytes you were given before were wrong: delete the partial file and download from the beginning",
    );
  }

  #buryAll(blob: BlobRef): void {
    this.#graves.set(nameOf(blob, EVERYBODY), true);
    const prefix = nameOf(blob, "");
    for (const name of this.#anew.keys()) if (name.startsWith(prefix)) this.#anew.delete(name);
  }
}

function nameOf({ artifactId, field, key }: BlobRef, caller: string): string {
  return `${artifactId}/${field}/${key} ${caller}`;
}
