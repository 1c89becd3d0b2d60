import { LRUCache } from "lru-cache";
import type { BlobRef } from "../domain/blob.ts";
import type { RangeRequest } from "../domain/byte-range.ts";
import { CisternError } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";
import { EVERYBODY, type Grave, type Graves } from "../domain/graves.ts";

const DAY_MS = 24 * 3600 * 1000;
/** Of more callers than this it is not told one by one who they were. */
const MAX_TOLD = 1_000;

export interface TombstonePorts {
  readonly graves: Graves;
  readonly events: Events;
}

/**
 * Who was given bytes that later failed. Their download tools resume with a range and would glue
 * the right tail to a wrong head, so until they begin anew such a range is refused (I1). Kept by the
 * blob's place, not by its record: a corrected location must not complete the files of a wrong one.
 * Judged from memory; other processes, and this one's next start, learn of them through the catalog.
 */
export class Tombstones {
  readonly #graves = new LRUCache<string, true>({ max: 100_000, ttl: DAY_MS });
  /** Who has begun anew since everybody was buried. */
  readonly #anew = new LRUCache<string, true>({ max: 100_000, ttl: DAY_MS });
  /** What the catalog is being told, or could not be told when it was away, by blob and caller: the newest counts. */
  readonly #untold = new LRUCache<string, Grave>({ max: 100_000 });
  readonly #ports: TombstonePorts;

  constructor(ports: TombstonePorts) {
    this.#ports = ports;
  }

  /**
   * @param callers token and address of each; undefined: whoever it was, nobody knows any more
   * @returns resolves when every process can know of it, or the catalog is away; does not reject
   */
  bury(blobs: Iterable<BlobRef>, callers: ReadonlySet<string> | undefined): Promise<void> {
    const told: Grave[] = [];
    for (const ref of blobs) {
      for (const caller of callers ?? [EVERYBODY]) this.#note({ ref, caller, anew: false });
      const few = callers !== undefined && callers.size <= MAX_TOLD;
      for (const caller of few ? callers : [EVERYBODY]) told.push({ ref, caller, anew: false });
    }
    return this.#tell(told);
  }

  /** Takes it back: what they were given turned out to be the head of what goes on now. */
  lift(blobs: Iterable<BlobRef>, callers: ReadonlySet<string>): Promise<void> {
    const told: Grave[] = [];
    for (const ref of blobs) for (const caller of callers) told.push({ ref, caller, anew: true });
    for (const grave of told) this.#note(grave);
    return this.#tell(told.slice(0, MAX_TOLD));
  }

  /** Another process, or an earlier one, has written it. */
  hear(grave: Grave): void {
    this.#note(grave);
  }

  /** Tells what the catalog could not be told when it was away; rejects when it still is. */
  async tellAgain(): Promise<void> {
    const untold = [...this.#untold.entries()];
    if (untold.length === 0) return;
    await this.#write(untold.map(([, grave]) => grave));
  }

  /** Learns what is known by now. */
  async load(): Promise<void> {
    await this.tellAgain();
    const listed = await this.#ports.graves.list();
    // What is not told yet is newer.
    const known = listed.filter(({ ref, caller }) => !this.#untold.has(nameOf(ref, caller)));
    // Those for everybody first: they end what is anew.
    for (const grave of known) if (grave.caller === EVERYBODY) this.#note(grave);
    for (const grave of known) if (grave.caller !== EVERYBODY) this.#note(grave);
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
      const grave = { ref: blob, caller, anew: true };
      this.#note(grave);
      void this.#tell([grave]);
      return;
    }
    if (range.kind === "from" && range.first === 0) return;
    throw new CisternError(
      "digest-mismatch",
      "the bytes you were given before were wrong: delete the partial file and download from the beginning",
    );
  }

  #note({ ref, caller, anew }: Grave): void {
    const name = nameOf(ref, caller);
    if (anew) {
      this.#graves.delete(name);
      this.#anew.set(name, true);
      return;
    }
    this.#graves.set(name, true);
    if (caller !== EVERYBODY) return;
    const prefix = nameOf(ref, "");
    for (const other of this.#anew.keys()) if (other.startsWith(prefix)) this.#anew.delete(other);
  }

  #owe(grave: Grave): void {
    if (grave.caller === EVERYBODY && !grave.anew) {
      const prefix = nameOf(grave.ref, "");
      for (const [name, { anew }] of this.#untold.entries()) {
        if (anew && name.startsWith(prefix)) this.#untold.delete(name);
      }
    }
    this.#untold.set(nameOf(grave.ref, grave.caller), grave);
  }

  async #write(graves: readonly Grave[]): Promise<void> {
    await this.#ports.graves.write(graves);
    for (const grave of graves) {
      const name = nameOf(grave.ref, grave.caller);
      if (this.#untold.peek(name) === grave) this.#untold.delete(name);
    }
  }

  /** A catalog that is away is no reason to keep readers of wrong bytes waiting. */
  async #tell(graves: readonly Grave[]): Promise<void> {
    if (graves.length === 0) return;
    for (const grave of graves) this.#owe(grave);
    try {
      await this.#write(graves);
    } catch (cause) {
      if (!(cause instanceof CisternError)) throw cause;
      this.#ports.events.emit({ kind: "degraded", part: "catalog", cause });
    }
  }
}

function nameOf({ artifactId, field, key }: BlobRef, caller: string): string {
  return `${artifactId}/${field}/${key} ${caller}`;
}
