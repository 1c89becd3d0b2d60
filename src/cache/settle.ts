import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { Clock } from "../domain/clock.ts";
import type { ObjectName } from "../domain/content.ts";
import type { ContentCatalog } from "../domain/content-catalog.ts";
import type { ContentStore, Staging } from "../domain/content-store.ts";
import { isCisternError } from "../domain/errors.ts";
import type { Lease } from "../domain/lease.ts";
import type { Fill } from "./fill.ts";
import { accountOf } from "./fill-account.ts";
import type { Verdict } from "./fill-plan.ts";
import type { HeldSpace } from "./held-space.ts";
import type { Ingest } from "./ingest.ts";
import { type HotPorts, keepHot } from "./keep-hot.ts";

export interface SettlePorts extends HotPorts {
  readonly store: ContentStore;
  readonly blobs: BlobCatalog;
  readonly contents: ContentCatalog;
  readonly clock: Clock;
  /** Frees so many bytes of the disk that the store is on, if it can; false: there was nothing to be had. */
  freeDisk(bytes: number): Promise<boolean>;
}

/** How long admission waits for a catalog that is away. The spool is held for it, and no client waits. */
const ADMIT_MS = 600_000;
const ADMIT_BASE_MS = 250;
const ADMIT_CAP_MS = 5_000;

/** What becomes of a fill's bytes in the store: they go there while they arrive, where that is worth it. */
export class Keeping implements AsyncDisposable {
  readonly #fill: Fill;
  readonly #ingest: Ingest;
  readonly #ports: SettlePorts;
  readonly #lease: Lease;
  readonly #signal: AbortSignal;
  readonly #space: HeldSpace;
  #staged: Staging | undefined;

  constructor(fill: Fill, ingest: Ingest, ports: SettlePorts, lease: Lease, space: HeldSpace, signal: AbortSignal) {
    this.#space = space;
    this.#fill = fill;
    this.#ingest = ingest;
    this.#ports = ports;
    this.#lease = lease;
    this.#signal = signal;
    ingest.onBytes = (end) => space.cover(end);
    // A store in the same directory takes the file in the end; sending early is for one that is far.
    if (ports.hot !== undefined && fill.keeps) ingest.onSpooled = (bytes) => this.#advance(bytes);
  }

  /** Keeps the content, or records what is known of it; answers whether it was kept. */
  async settle(verdict: Verdict): Promise<boolean> {
    const { plan } = this.#fill;
    if (this.#fill.keeps && (await this.#store(verdict))) {
      const object = await this.#insist(() => this.#admit(verdict));
      if (object !== undefined) await this.#keepHot(object, verdict.size);
      return true;
    }
    const blobs = [...this.#fill.records.keys()];
    const { digests, size } = verdict;
    await this.#insist(() => this.#ports.blobs.recordVerified(blobs, digests, size, "first_fetch"));
    if (plan.around !== undefined) await this.#keepHot(plan.around.object, size);
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ingest.onSpooled = undefined;
    this.#ingest.onBytes = undefined;
    await this.#staged?.[Symbol.asyncDispose]();
  }

  async #keepHot(object: ObjectName, size: number): Promise<void> {
    if (this.#ports.hot === undefined) return;
    const file = await this.#ingest.seal();
    if (file !== undefined) await keepHot(this.#ports, object, file, size);
  }

  #objectOf(verdict: Verdict): ObjectName {
    return { sha256: verdict.digests.sha256, fence: this.#lease.fence };
  }

  /** Only what has a recorded sha256 has a name already. */
  #advance(bytes: number): void {
    // What is sent early counts for what is reserved: without room it waits for the verdict.
    if (!this.#space.kept) return;
    if (this.#staged !== undefined) {
      this.#staged.advance(bytes);
      return;
    }
    const { total, plan, windowed } = this.#fill;
    const { sha256 } = plan.digests;
    const file = this.#ingest.file;
    if (sha256 === undefined || total === undefined || file === undefined || windowed) return;
    this.#staged = this.#ports.store.stage({ sha256, fence: this.#lease.fence }, file, total);
  }

  /** Bytes into the store. A store that fails now costs the cached copy, never a response. */
  async #store(verdict: Verdict): Promise<boolean> {
    try {
      const file = await this.#ingest.seal();
      if (file === undefined || !(await this.#insist(() => this.#space.settle(verdict.size)))) return false;
      this.#staged ??= this.#ports.store.stage(this.#objectOf(verdict), file, verdict.size);
      this.#staged.advance(verdict.size);
      await this.#commit(this.#staged, verdict);
      return true;
    } catch (error) {
      const passing = ["store-unavailable", "spool-full", "catalog-unavailable"] as const;
      if (!passing.some((code) => isCisternError(error, code))) throw error;
      const part = isCisternError(error, "catalog-unavailable") ? "catalog" : "store";
      this.#ports.events.emit({ kind: "degraded", part, cause: error });
      return false;
    }
  }

  /** A disk that is full below the limit is made room on, once. */
  async #commit(staged: Staging, { size }: Verdict): Promise<void> {
    try {
      await staged.commit(this.#signal);
    } catch (error) {
      if (!isCisternError(error, "spool-full") || !(await this.#ports.freeDisk(size))) throw error;
      await staged.commit(this.#signal);
    }
  }

  /** Answers the object that the row names; undefined: no record refers to the content any more. */
  async #admit(verdict: Verdict): Promise<ObjectName | undefined> {
    const object = this.#objectOf(verdict);
    const blobs = [...this.#fill.records.keys()];
    const { digests, size } = verdict;
    const { contents, events } = this.#ports;
    try {
      const account = accountOf(this.#fill);
      const found = { digests, size, digestSource: "first_fetch" } as const;
      const admitted = await contents.admit({ lease: this.#lease, blobs, ...found, account });
      this.#space.spent();
      if (admitted.kind === "admitted") events.emit({ kind: "content-admitted", sha256: object.sha256, bytes: size });
      else await this.#removeSurplus(object);
      if (admitted.kind === "admitted" && admitted.replaced !== undefined) await this.#removeSurplus(admitted.replaced);
      return admitted.kind === "unreferenced" ? undefined : admitted.object;
    } catch (error) {
      // Only these refusals are certain: after an outage the row may have been written under this very name.
      const refused = isCisternError(error, "digest-mismatch") || isCisternError(error, "content-blocked");
      if (refused) await this.#removeSurplus(object);
      // The lease ends with the admission: it may be an earlier attempt's, whose answer was lost.
      const already = isCisternError(error, "precondition-failed") ? await this.#admittedAlready(object) : undefined;
      if (already !== undefined) return already;
      throw error;
    }
  }

  /** The object that the row names by now, if it is of this content. */
  async #admittedAlready(object: ObjectName): Promise<ObjectName | undefined> {
    for (const { ref } of this.#fill.records.values()) {
      const now = (await this.#ports.blobs.resolve(ref))?.content?.object;
      if (now?.sha256 !== object.sha256) continue;
      // By whoever took the fill over.
      if (now.fence !== object.fence) await this.#removeSurplus(object);
      return now;
    }
    return undefined;
  }

  /** No row names it. A store that is away keeps it, which harms nobody. */
  async #removeSurplus(object: ObjectName): Promise<void> {
    try {
      await this.#ports.store.remove(object);
    } catch (cause) {
      if (!isCisternError(cause, "store-unavailable")) throw cause;
      this.#ports.events.emit({ kind: "degraded", part: "store", cause });
    }
  }

  /** Tries again while the catalog is away: the bytes are there, only the row is missing. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    const { events, clock } = this.#ports;
    const deadline = clock.monotonic() + ADMIT_MS;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!isCisternError(error, "catalog-unavailable") || clock.monotonic() >= deadline) throw error;
        if (attempt === 1) events.emit({ kind: "degraded", part: "catalog", cause: error });
        const pause = Math.min(ADMIT_CAP_MS, ADMIT_BASE_MS * 2 ** attempt);
        // A lease that is lost meanwhile may be the one that an admission without an answer has ended.
        await clock.sleep(pause * clock.random(), this.#fill.abort.signal);
      }
    }
  }
}
