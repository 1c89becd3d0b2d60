import type { AuditRecord } from "../domain/audit-catalog.ts";

/** Text that may wait for the catalog: of short entries, some ten thousand. */
const MAX_CHARACTERS = 16 * 1024 * 1024;
/** What an entry takes besides its texts. */
const OVERHEAD = 512;

interface Waiting {
  readonly record: AuditRecord;
  readonly weight: number;
}

/** Entries that wait for the catalog, the oldest first, bounded; what finds no room is counted. */
export class AuditBuffer {
  #waiting: Waiting[] = [];
  #weight = 0;
  #dropped = 0;

  get length(): number {
    return this.#waiting.length;
  }

  /** False: there was no room, and the entry is lost. */
  push(record: AuditRecord): boolean {
    const weight = weigh(record);
    if (this.#weight + weight > MAX_CHARACTERS) {
      this.#dropped += 1;
      return false;
    }
    this.#waiting.push({ record, weight });
    this.#weight += weight;
    return true;
  }

  /** The oldest; they stay until they are removed. */
  peek(most: number): readonly AuditRecord[] {
    return this.#waiting.slice(0, most).map(({ record }) => record);
  }

  /** The oldest `count` are written. */
  remove(count: number): void {
    const gone = this.#waiting.splice(0, count);
    for (const { weight } of gone) this.#weight -= weight;
  }

  /** How many were lost since this was asked last. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}

function weigh({ object, before, after }: AuditRecord): number {
  return OVERHEAD + object.length + JSON.stringify([before ?? null, after ?? null]).length;
}
