import { LRUCache } from "lru-cache";
import type { BlobId } from "../domain/blob.ts";
import { CisternError } from "../domain/errors.ts";

const DAY_MS = 24 * 3600 * 1000;

/**
 * Who was given bytes that later failed. Their download tools resume with a range and would glue
 * the right tail to a wrong head, so until they begin anew such a range is refused (I1).
 */
export class Tombstones {
  readonly #graves = new LRUCache<string, true>({ max: 100_000, ttl: DAY_MS });

  /** @param callers token and address of each */
  bury(blobs: Iterable<BlobId>, callers: ReadonlySet<string>): void {
    for (const blob of blobs) for (const caller of callers) this.#graves.set(`${blob} ${caller}`, true);
  }

  /** Takes it back: what they were given turned out to be the head of what goes on now. */
  lift(blobs: Iterable<BlobId>, callers: ReadonlySet<string>): void {
    for (const blob of blobs) for (const caller of callers) this.#graves.delete(`${blob} ${caller}`);
  }

  /** Throws `digest-mismatch` for a range that goes on with condemned bytes; from byte 0 on all is well again. */
  check(blob: BlobId, caller: string, start: number): void {
    if (this.#graves.size === 0) return;
    const name = `${blob} ${caller}`;
    if (start === 0) {
      this.#graves.delete(name);
    } else if (this.#graves.has(name)) {
      throw new CisternError(
        "digest-mismatch",
        "the bytes you were given before were wrong: delete the partial file and download from the beginning",
      );
    }
  }
}
