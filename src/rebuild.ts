import { join } from "node:path";
import {
  type Found,
  findObjects,
  type RebuildOutcome,
  type RebuildPorts,
  type RebuildWatcher,
  rebuildContents,
} from "./cache/rebuild-contents.ts";
import { type Catalog, openCatalog } from "./catalog/open-catalog.ts";
import type { ClusterPlace, Place } from "./config/place.ts";
import type { Sha256 } from "./domain/digest.ts";
import { requireOwn } from "./local.ts";
import { conflict, markerOf, requireStopped } from "./move-target.ts";
import { lockDataDir } from "./store/data-lock.ts";
import { openFilesystemStore } from "./store/filesystem-store.ts";
import { WorkerHasher } from "./store/hasher/worker-hasher.ts";
import { objectSize } from "./store/object-directory.ts";
import { claimBucket } from "./store/s3/claim-bucket.ts";
import { openS3Store } from "./store/s3/open-s3-store.ts";
import type { S3Store } from "./store/s3/s3-store.ts";

export interface RebuildOptions {
  readonly place: Place;
  /** Effective user id of this process; undefined where there is none. */
  readonly user: number | undefined;
  /** Takes a bucket that belongs to another catalog: that one is lost, and nothing runs on it. */
  readonly takeOver: boolean;
  /** Only tells what has no row; reads no object. */
  readonly dryRun: boolean;
}

export interface RebuildListener extends RebuildWatcher {
  /** When the store has been listed. */
  begin(total: { readonly contents: number; readonly objects: number }): void;
}

export interface RebuildReport {
  /** Rows that were written; of a dry run, contents that have none. */
  readonly restored: number;
  /** Bytes of these. */
  readonly bytes: number;
  /** Contents that had a row. */
  readonly recorded: number;
  /** Contents none of whose objects has the bytes that its name says: they are left alone. */
  readonly damaged: readonly Sha256[];
}

interface Remains extends Pick<RebuildPorts, "store" | "sizeOf"> {
  readonly catalog: Catalog;
  /** Ties the store to this catalog, when the rows are there. */
  claim(): Promise<void>;
}

/**
 * Writes the rows of content whose catalog is lost, by reading every object that has none. Nothing
 * is removed. May be interrupted and run again: what has a row is passed over. `conflict` when the
 * store is another catalog's, or servers run.
 */
export async function rebuildCatalog(
  options: RebuildOptions,
  listener: RebuildListener,
  signal: AbortSignal,
): Promise<RebuildReport> {
  await using stack = new AsyncDisposableStack();
  const { place } = options;
  const remains =
    place.kind === "cluster"
      ? await openBucket(place, options, stack, signal)
      : await openDirectory(place.dataDir, options, stack);
  const found = await findObjects(remains.store, signal);
  listener.begin({ contents: found.contents.size, objects: countOf(found) });
  const tally = new Tally(listener);
  if (options.dryRun) {
    await look(found, remains, tally, signal);
    return tally.report();
  }
  const { ledger, recovery } = remains.catalog;
  const hasher = stack.use(new WorkerHasher());
  await rebuildContents(found, { ...remains, ledger, recovery, hasher }, tally, signal);
  await remains.claim();
  return tally.report();
}

async function openBucket(
  { database, s3 }: ClusterPlace,
  { takeOver }: RebuildOptions,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<Remains> {
  const catalog = stack.use(await openCatalog({ ...database, signal }));
  await requireStopped(catalog, "stop them until the rows are there");
  const bucket = stack.use(await openS3Store(s3, signal));
  const deploymentId = await catalog.deploymentId();
  await requireOurs(bucket, deploymentId, takeOver, signal);
  return {
    catalog,
    store: bucket,
    sizeOf: (name, during) => bucket.sizeOf(name, during),
    claim: () => claimBucket(bucket, deploymentId, { takeOver: true }, signal),
  };
}

/** A catalog removes what it knows nothing of: two of them must not share a bucket. */
async function requireOurs(bucket: S3Store, deploymentId: string, takeOver: boolean, signal: AbortSignal) {
  if (takeOver) return;
  const marker = await markerOf(bucket, signal);
  if (marker?.move?.done === false) {
    throw conflict("moving into the bucket has not come to its end: run `cistern migrate-to` again");
  }
  if (marker === undefined || marker.deploymentId === deploymentId) return;
  throw conflict(
    "the bucket belongs to another catalog. If that one is lost for good, and no replica runs on it any more, take the bucket over with --take-over",
  );
}

async function openDirectory(dataDir: string, { user }: RebuildOptions, stack: AsyncDisposableStack): Promise<Remains> {
  const root = join(dataDir, "store");
  await requireOwn(root, user, "CISTERN_DATA_DIR", "store");
  stack.use(lockDataDir(dataDir));
  const store = await openFilesystemStore(root);
  const catalog = stack.use(await openCatalog({ directory: join(dataDir, "catalog") }));
  // Whoever has the directory has both.
  return { catalog, store, sizeOf: (name) => objectSize(root, name), claim: async () => undefined };
}

async function look(
  { contents }: Found,
  { catalog, sizeOf }: Remains,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  for (const [sha256, [fence]] of contents) {
    const recorded = (await catalog.ledger.generation(sha256)) !== undefined;
    const size = recorded || fence === undefined ? undefined : await sizeOf({ sha256, fence }, signal);
    tally.done(sha256, recorded ? "recorded" : "restored", size);
  }
}

function countOf({ contents }: Found): number {
  return contents.values().reduce((sum, fences) => sum + fences.length, 0);
}

/** Counts, beside telling. */
class Tally implements RebuildWatcher {
  readonly #listener: RebuildListener;
  readonly #damaged: Sha256[] = [];
  #restored = 0;
  #bytes = 0;
  #recorded = 0;

  constructor(listener: RebuildListener) {
    this.#listener = listener;
  }

  read(bytes: number): void {
    this.#listener.read(bytes);
  }

  done(sha256: Sha256, outcome: RebuildOutcome, size: number | undefined): void {
    if (outcome === "restored") this.#restored += 1;
    if (outcome === "recorded") this.#recorded += 1;
    if (outcome === "damaged") this.#damaged.push(sha256);
    this.#bytes += size ?? 0;
    this.#listener.done(sha256, outcome, size);
  }

  report(): RebuildReport {
    return { restored: this.#restored, bytes: this.#bytes, recorded: this.#recorded, damaged: this.#damaged };
  }
}
