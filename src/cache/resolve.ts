import { LRUCache } from "lru-cache";
import type { ArtifactId } from "../domain/artifact.ts";
import type { BlobId, BlobRef, ResolvedBlob } from "../domain/blob.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { Clock } from "../domain/clock.ts";
import type { Sha256 } from "../domain/digest.ts";
import { KeyGroups } from "./key-groups.ts";
import { OlderAnswers } from "./older-answers.ts";

const FRESH_MS = 30_000;
/** How long past its time an entry serves while the catalog is away. */
const STALE_MS = 600_000;

interface Entry {
  readonly resolved: ResolvedBlob;
  /** Milliseconds of the monotonic clock. */
  readonly at: number;
}

/**
 * An lru-cache in front of the catalog: a hot hit asks no database. Only blobs whose content is
 * admitted are kept; absence never is. Look-ups of the same blob at the same time are one query.
 */
export class Resolver {
  readonly #cache: LRUCache<string, Entry>;
  /** Keys of the cache by blob, artifact and content: changes come by the thousand, and each concerns a few. */
  readonly #groups = new KeyGroups();
  readonly #running = new Map<string, Promise<ResolvedBlob | undefined>>();
  readonly #blobs: Pick<BlobCatalog, "resolve">;
  readonly #clock: Clock;
  readonly #older: OlderAnswers;
  /** What was learned before is not fresh, whatever its age. */
  #doubtedAt = Number.NEGATIVE_INFINITY;

  constructor(blobs: Pick<BlobCatalog, "resolve">, clock: Clock) {
    this.#blobs = blobs;
    this.#clock = clock;
    this.#older = new OlderAnswers(clock);
    this.#cache = new LRUCache({
      max: 50_000,
      dispose: ({ resolved }, key) => {
        for (const group of groupsOf(resolved)) this.#groups.delete(group, key);
      },
    });
  }

  /** The blob if it is cached and fresh: no promise, no query. */
  cached(ref: BlobRef): ResolvedBlob | undefined {
    const entry = this.#cache.get(keyOf(ref));
    const fresh = entry !== undefined && entry.at > this.#doubtedAt && this.#clock.monotonic() - entry.at < FRESH_MS;
    return fresh ? entry.resolved : undefined;
  }

  /** undefined: there is certainly no such blob. `catalog-unavailable` when in doubt (I7). */
  async resolve(ref: BlobRef): Promise<ResolvedBlob | undefined> {
    return this.cached(ref) ?? (await this.fresh(ref));
  }

  /** Asks the catalog, and serves an older answer only while the catalog is away or hangs. */
  async fresh(ref: BlobRef): Promise<ResolvedBlob | undefined> {
    const key = keyOf(ref);
    const entry = this.#cache.get(key);
    const usable = entry !== undefined && this.#clock.monotonic() - entry.at < FRESH_MS + STALE_MS;
    const asked = this.#running.get(key) ?? this.#query(key, ref);
    return await this.#older.choose(asked, usable ? entry.resolved : undefined);
  }

  /** Forgets a blob that has changed. */
  forget(ref: BlobRef): void {
    const key = keyOf(ref);
    this.#cache.delete(key);
    this.#running.delete(key);
  }

  /** Forgets blobs that are gone. */
  forgetAll(blobs: Iterable<BlobId>): void {
    for (const id of blobs) this.#forgetGroup(`blob ${id}`);
  }

  /** Forgets all blobs of an artifact that has changed. */
  forgetArtifact(id: ArtifactId): void {
    this.#forgetGroup(`artifact ${id}`);
  }

  /** Forgets all blobs whose content has gone, or lies under another object now. */
  forgetContent(sha256: Sha256): void {
    this.#forgetGroup(`content ${sha256}`);
  }

  #forgetGroup(group: string): void {
    for (const key of this.#groups.keys(group)) this.#cache.delete(key);
    this.#running.clear();
  }

  /** Changes may have been missed: everything is asked for again, and serves until then only while the catalog is away. */
  doubt(): void {
    this.#doubtedAt = this.#clock.monotonic();
    this.#running.clear();
  }

  /** Forgets everything: content went. */
  clear(): void {
    this.#cache.clear();
    this.#running.clear();
  }

  #query(key: string, ref: BlobRef): Promise<ResolvedBlob | undefined> {
    const query = this.#blobs.resolve(ref).then(
      (resolved) => {
        // A change during the query has removed it from the map: then its answer is not kept.
        if (this.#running.get(key) === query) {
          this.#running.delete(key);
          if (resolved?.content !== undefined && resolved.artifact.status === "active") {
            this.#cache.set(key, { resolved, at: this.#clock.monotonic() });
            for (const group of groupsOf(resolved)) this.#groups.add(group, key);
          } else {
            this.#cache.delete(key);
          }
        }
        return resolved;
      },
      (error: unknown) => {
        if (this.#running.get(key) === query) this.#running.delete(key);
        throw error;
      },
    );
    this.#running.set(key, query);
    return query;
  }
}

function groupsOf({ blob, artifact, content }: ResolvedBlob): readonly string[] {
  const groups = [`blob ${blob.id}`, `artifact ${artifact.id}`];
  return content === undefined ? groups : [...groups, `content ${content.object.sha256}`];
}

/** Whoever asks again and again does so with the same reference: its key is made and hashed once. */
const keys = new WeakMap<BlobRef, string>();

function keyOf(ref: BlobRef): string {
  const known = keys.get(ref);
  if (known !== undefined) return known;
  const key = `${ref.artifactId}/${ref.field}/${ref.key}`;
  keys.set(ref, key);
  return key;
}
