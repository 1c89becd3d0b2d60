import type { ArtifactId } from "../domain/artifact.ts";
import type { BlobId, BlobRef, ResolvedBlob } from "../domain/blob.ts";
import type { ContentRecord } from "../domain/content.ts";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import { FedReaders } from "./fed-readers.ts";
import { Fill } from "./fill.ts";
import { type AdmissionLimits, FillAdmission } from "./fill-admission.ts";
import { entrantOf } from "./fill-entrant.ts";
import type { FillPlan } from "./fill-plan.ts";
import { HeldSpace } from "./held-space.ts";
import { contentKey, mayJoin, recordOf, storedKey, verifies } from "./joining.ts";
import { type FillPolicy, permitsOf, permittedSources } from "./permitted-sources.ts";
import { type FillPorts, runFill } from "./run-fill.ts";
import type { Tombstones } from "./tombstones.ts";

/** Streams from origins that are not kept because the disk or the cache is full: in all, and per content. */
const MAX_PASSES = 16;
const MAX_PASSES_PER_CONTENT = 4;
/** Newest bytes that are kept for readers that keep up: of one fill, and of all together. */
const RECENT = 4 * 1024 * 1024;
const RECENT_OF_ALL = 64 * 1024 * 1024;
const RECENT_AT_LEAST = 256 * 1024;

/** What every fill needs; what is one fill's own the registry adds. */
export interface RegistryPorts extends Omit<FillPorts, "mayPass" | "beforeCut"> {
  readonly policy: FillPolicy;
  /** In force now. */
  limits(): AdmissionLimits;
}

/** A fill that would begin now. */
export interface FillAhead {
  readonly plan: FillPlan;
  /** For its turn: too many are under way. */
  readonly waits: boolean;
  /** What it would find in the store, see `HeldSpace.foresee`. */
  space(): ReturnType<typeof HeldSpace.foresee>;
}

/** The fills that run in this process: one per content and trust domain (I3). */
export class FillRegistry {
  readonly #fills = new Map<string, Set<Fill>>();
  readonly #running = new Map<Fill, Promise<void>>();
  readonly #ports: RegistryPorts;
  readonly #onSettled: (fill: Fill) => void;
  readonly #fed: FedReaders;
  readonly #admission: FillAdmission;
  #sequence = 0;
  #stopped = false;

  /** @param onSettled told when a fill fails or has ended and its blobs must be resolved anew */
  constructor(ports: RegistryPorts, tombstones: Tombstones, onSettled: (fill: Fill) => void) {
    this.#ports = ports;
    this.#fed = new FedReaders(tombstones, ports);
    this.#onSettled = onSettled;
    this.#admission = new FillAdmission(() => ports.limits(), ports.clock);
  }

  /**
   * A running fill that this record may follow from `offset` on; it then counts as one of its records.
   * @param demanded in order to read it
   */
  find(resolved: ResolvedBlob, offset: number, demanded = true): Fill | undefined {
    const { blob } = resolved;
    const fill = this.peek(resolved, offset);
    if (fill === undefined) return undefined;
    fill.records.set(blob.id, recordOf(resolved));
    if (demanded && !fill.demanded) this.#demand(fill);
    return fill;
  }

  /** The fill that `find` would answer, as it is. */
  peek(resolved: ResolvedBlob, offset = 0): Fill | undefined {
    for (const fill of this.#fills.get(contentKey(resolved)) ?? []) {
      if (fill.failing || !fill.reaches(offset)) continue;
      if (!fill.records.has(resolved.blob.id) && !(mayJoin(fill, resolved) && verifies(fill.plan, resolved))) continue;
      return fill;
    }
    return undefined;
  }

  /** Somebody reads a fill that nobody read. */
  #demand(fill: Fill): void {
    fill.demanded = true;
    this.#admission.review();
  }

  /** The running fill that brings this content from the store into the hot tier. */
  findStored(resolved: ResolvedBlob, content: ContentRecord, offset: number): Fill | undefined {
    for (const fill of this.#fills.get(storedKey(content)) ?? []) {
      if (fill.failing || !fill.reaches(offset)) continue;
      fill.records.set(resolved.blob.id, recordOf(resolved));
      return fill;
    }
    return undefined;
  }

  /** Brings admitted content that this blob has earned from the store into the hot tier. */
  startStored(resolved: ResolvedBlob, content: ContentRecord): Fill {
    const key = storedKey(content);
    const { digests, size } = content;
    const image = resolved.artifact.type === "images";
    return this.#start(resolved, key, true, () => ({
      key,
      domain: key,
      project: undefined,
      sources: [],
      digests,
      size,
      keep: false,
      content,
      image,
    }));
  }

  /** The fill that goes by this name and is not over; one that is about to fail when there is no other. */
  named(key: string): Fill | undefined {
    let failing: Fill | undefined;
    for (const fill of this.#running.keys()) {
      if (fill.plan.key !== key || fill.failure !== undefined) continue;
      if (!fill.failing) return fill;
      failing = fill;
    }
    return failing;
  }

  /**
   * Starts a fill of this blob, detached from whoever asked (I4).
   * @param around content that is admitted, and that the store does not deliver now
   * @param demanded in order to read it
   */
  start(resolved: ResolvedBlob, keep: boolean, around?: ContentRecord, demanded = true): Fill {
    const content = contentKey(resolved);
    const others = this.#fills.get(content) ?? new Set();
    return this.#start(resolved, content, demanded, () => this.#plan(resolved, content, others, keep, around));
  }

  /** What `start` would come to now for a reader: it begins nothing. Throws what that would fail with at once. */
  foresee(resolved: ResolvedBlob, keep: boolean): FillAhead {
    const content = contentKey(resolved);
    const others = this.#fills.get(content) ?? new Set();
    const fill = this.#make(resolved, true, () => this.#plan(resolved, content, others, keep, undefined));
    const { room, holder } = this.#ports;
    const mayPass = () => this.#mayPass(fill, content);
    return {
      plan: fill.plan,
      waits: this.#admission.wouldWait(entrantOf(fill)),
      space: () => HeldSpace.foresee(fill, { room, holder, mayPass }),
    };
  }

  #make(resolved: ResolvedBlob, demanded: boolean, planned: () => FillPlan): Fill {
    if (this.#stopped) throw new CisternError("shutting-down", "Cistern is shutting down", { retryAfter: 5 });
    const plan = planned();
    this.#ports.blocked.check(plan.digests.sha256);
    this.#admission.refuseCrowd(plan);
    const keepRecent = () => Math.max(RECENT_AT_LEAST, Math.min(RECENT, RECENT_OF_ALL / this.#running.size));
    const fill = new Fill(`fill-${this.#sequence}`, plan, this.#ports.clock.monotonic(), keepRecent, demanded);
    fill.records.set(resolved.blob.id, recordOf(resolved));
    return fill;
  }

  #start(resolved: ResolvedBlob, content: string, demanded: boolean, planned: () => FillPlan): Fill {
    const others = this.#fills.get(content) ?? new Set();
    this.#sequence += 1;
    const fill = this.#make(resolved, demanded, planned);
    // Once more when it fails: somebody may have had a first byte since they were told.
    fill.onFail = (failure) => void this.#fed.bury(fill, failure);
    // A failed run of the same name parks its bytes and gives its lease back before this one begins.
    const before = [...others].flatMap((other) => (other.failing ? [this.#running.get(other)] : []));
    this.#fills.set(content, others.add(fill));
    this.#running.set(fill, this.#run(fill, content, Promise.all(before)));
    return fill;
  }

  /** Records that are gone: a fill that served only them is cancelled, its readers are cut. */
  release(blobs: Iterable<BlobId>): void {
    const gone = new Set(blobs);
    for (const fill of this.#running.keys()) {
      let touched = false;
      for (const blob of gone) touched = fill.records.delete(blob) || touched;
      if (touched && fill.records.size === 0) {
        fill.abort.abort(new CisternError("fill-cancelled", "the record was deleted during the fetch"));
      }
    }
  }

  /** Ends the fills of these bytes: nobody is to have them. */
  refuse(sha256: Sha256, failure: CisternError): void {
    for (const fill of this.#running.keys()) {
      const { digests, content, around } = fill.plan;
      const all = [digests.sha256, content?.object.sha256, around?.object.sha256, fill.verdict?.digests.sha256];
      if (!all.includes(sha256)) continue;
      // At once: the run takes its time to end.
      fill.fail(failure);
      fill.abort.abort(failure);
    }
  }

  /** A record has changed: from now on nobody joins a running fill because everybody could read it. */
  narrow({ artifactId, field, key }: BlobRef): void {
    this.#narrowWhere((ref) => ref.artifactId === artifactId && ref.field === field && ref.key === key);
  }

  /** As `narrow`, for all blobs of an artifact. */
  narrowArtifact(id: ArtifactId): void {
    this.#narrowWhere((ref) => ref.artifactId === id);
  }

  /** As `narrow`, for whatever may have changed. */
  narrowAll(): void {
    this.#narrowWhere(() => true);
  }

  #narrowWhere(changed: (ref: BlobRef) => boolean): void {
    for (const fill of this.#running.keys()) {
      for (const [id, record] of fill.records) {
        if (changed(record.ref)) fill.records.set(id, { ...record, publicly: false });
      }
    }
  }

  /** Stops every fill so that a later start can resume it, and waits until they have stopped. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const fill of this.#running.keys()) {
      fill.abort.abort(new CisternError("shutting-down", "Cistern is shutting down", { retryAfter: 5 }));
    }
    await Promise.all(this.#running.values());
  }

  /** Resolves when no fill runs any more; it stops none. */
  async finished(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  /** Resolves when this fill's run is over, admission included. */
  async ended(fill: Fill): Promise<void> {
    await this.#running.get(fill);
  }

  /** Those that are not over, the oldest first. */
  list(): readonly Fill[] {
    return [...this.#running.keys()];
  }

  /** Limits have changed: whoever waits may be let in. */
  review(): void {
    this.#admission.review();
  }

  get running(): number {
    return this.#running.size;
  }

  #plan(
    resolved: ResolvedBlob,
    content: string,
    others: ReadonlySet<Fill>,
    keep: boolean,
    around: ContentRecord | undefined,
  ): FillPlan {
    const { blob, artifact } = resolved;
    const rules = this.#ports.policy.contentRules(resolved);
    const permits = permitsOf(resolved, this.#ports.policy);
    const sources = permittedSources(resolved, this.#ports.policy);
    const domain = `${content}@${artifact.owner}`;
    // A record that may not join what runs under this name (other digests, no room) has a name of its own.
    const taken = [...others].some((fill) => fill.plan.key === domain && !fill.failing);
    // No other process may take it for one of its own.
    const key = taken ? `${domain}+${this.#ports.holder}/${this.#sequence}` : domain;
    const image = artifact.type === "images";
    const project = artifact.owner;
    const plan = { key, domain, project, sources, digests: blob.digests, size: blob.size, keep, image, rules, permits };
    return around === undefined ? plan : { ...plan, around };
  }

  async #run(fill: Fill, content: string, before: Promise<unknown>): Promise<void> {
    await before;
    await this.#inTurn(fill, content);
    const fills = this.#fills.get(content);
    this.#onSettled(fill);
    fills?.delete(fill);
    if (fills?.size === 0) this.#fills.delete(content);
    this.#running.delete(fill);
  }

  /** In its turn, when there are too many; never rejects. */
  async #inTurn(fill: Fill, content: string): Promise<void> {
    const entrant = entrantOf(fill);
    let place = this.#admission.tryEnter(entrant);
    try {
      if (place === undefined) {
        fill.waiting = true;
        place = await this.#admission.enter(entrant, fill.abort.signal);
        fill.waiting = false;
      }
      this.#fed.inherit(fill);
      await runFill(fill, {
        ...this.#ports,
        mayPass: () => this.#mayPass(fill, content),
        beforeCut: (failed, failure) => this.#beforeCut(failed, failure),
      });
    } catch (error) {
      fill.fail(
        error instanceof CisternError ? error : new CisternError("internal", "the fill failed", { cause: error }),
      );
    } finally {
      place?.[Symbol.dispose]();
    }
  }

  /** Whether this fill, for which there is no disk space, may pass through all the same. */
  #mayPass(fill: Fill, content: string): boolean {
    // The store can be read without a copy.
    if (fill.plan.content !== undefined) return false;
    // Bytes that nobody reads are fetched to be kept.
    if (!fill.demanded) return false;
    const passing = (other: Fill) => other !== fill && (other.windowed || other.passing);
    const here = [...(this.#fills.get(content) ?? [])].filter(passing).length;
    return here < MAX_PASSES_PER_CONTENT && [...this.#running.keys()].filter(passing).length < MAX_PASSES;
  }

  /**
   * What was given out may be wrong. Every process hears of it before anybody is cut, who might come
   * to another one and go on there with wrong bytes.
   */
  async #beforeCut(fill: Fill, failure: CisternError): Promise<void> {
    fill.failing = true;
    // Whoever is cut comes back at once, and is not to find what has just failed.
    this.#onSettled(fill);
    await this.#fed.tell(fill, failure);
  }
}
