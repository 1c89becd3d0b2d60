import { join } from "node:path";
import { type CopyOutcome, type CopyPorts, copyContents } from "./cache/copy-contents.ts";
import { catalogOver } from "./catalog/catalog.ts";
import { highestFence, type MovableContent, movableBytes, movableContents } from "./catalog/movable-contents.ts";
import { type MovedRecords, moveRecords } from "./catalog/move-records.ts";
import { openDatabase } from "./catalog/open-catalog.ts";
import { Session } from "./catalog/session.ts";
import type { ClusterPlace } from "./config/place.ts";
import type { ContentStore } from "./domain/content-store.ts";
import { requireOwn } from "./local.ts";
import { type MoveTarget, markMove, requireStopped, requireTarget } from "./move-target.ts";
import { CheckedSpool } from "./store/checked-spool.ts";
import { lockDataDir } from "./store/data-lock.ts";
import { openFilesystemStore } from "./store/filesystem-store.ts";
import { WorkerHasher } from "./store/hasher/worker-hasher.ts";
import { openS3Store } from "./store/s3/open-s3-store.ts";

const QUERY_MS = 60_000;

export interface MoveOptions {
  /** Data directory of the embedded server, which is stopped. */
  readonly from: string;
  readonly to: ClusterPlace;
  /** Effective user id of this process; undefined where there is none. */
  readonly user: number | undefined;
  /** Reads what is in the bucket already. */
  readonly verify: boolean;
  /** Goes on without damaged bytes that nothing else has: their records keep what the bytes must be. */
  readonly skipDamaged: boolean;
  /** Only tells; at most an empty bucket and an empty schema are made. */
  readonly dryRun: boolean;
}

export interface MoveWatcher {
  /** Before the first content: all that there is. */
  begin(total: { readonly count: number; readonly bytes: number }): void;
  moved(bytes: number): void;
  content(content: MovableContent, outcome: CopyOutcome, reason: string | undefined): void;
  /** Records that were written since it was told last. */
  records(count: number): void;
}

export interface Tally {
  readonly count: number;
  /** Bytes. */
  readonly bytes: number;
}

/** What was done; of a dry run, what would be. */
export interface MoveReport {
  readonly contents: Readonly<Record<CopyOutcome, Tally>>;
  /** Of the damaged ones, those that were uploaded, or that no origin delivers any more: nothing else has them. */
  readonly lost: Tally;
  readonly limits: MovedLimits;
  /** undefined: the records were not moved, for uploads are lost, or nothing was to be written. */
  readonly records: MovedRecords | undefined;
}

/** Bytes that an operator has set as limits; what is absent is as each replica's configuration says. */
export interface MovedLimits {
  /** Comes along as the limit of the bucket. */
  readonly cacheBytes: number | undefined;
  /** Is left: it is what the disk of one machine has room for. */
  readonly spoolBytes: number | undefined;
}

/**
 * Moves catalog and content of an embedded server to Postgres and a bucket: first all objects, each
 * verified, then all records at once, so that none of them ever names what is not there (I2). The
 * directory is left as it is. May be interrupted at any point and run again; until it has come to
 * its end, no replica starts on the target. `data-dir-locked`, `invalid-config`, `conflict`.
 */
export async function moveToCluster(
  options: MoveOptions,
  watcher: MoveWatcher,
  signal: AbortSignal,
): Promise<MoveReport> {
  await using stack = new AsyncDisposableStack();
  const source = await openSource(options, stack);
  const target = await openTarget(options.to, stack, signal);
  await requireTarget(target, source.deploymentId, signal);
  if (!options.dryRun) await markMove(target, source.deploymentId, false, signal);

  const tallies = new Tallies(watcher, source.limits);
  watcher.begin(await movableBytes(source.session));
  const ports: CopyPorts = {
    from: source.store,
    to: target.bucket,
    hasher: stack.use(new WorkerHasher()),
    spoolOf: (object, onRead) => new CheckedSpool(object, onRead),
  };
  await copyContents(movableContents(source.session, signal), ports, options, tallies, signal);
  if (options.dryRun || (tallies.lost.count > 0 && !options.skipDamaged)) return tallies.report(undefined);

  await requireStopped(target.catalog, "stop them and run this again");
  await target.catalog.recovery.raiseFence(await highestFence(source.session));
  const leftOut = tallies.damaged.map(({ object }) => object.sha256);
  const onRows = (count: number) => watcher.records(count);
  const records = await moveRecords(source.session, target.session, leftOut, onRows, signal);
  await markMove(target, source.deploymentId, true, signal);
  return tallies.report(records);
}

interface MoveSource {
  readonly session: Session;
  readonly deploymentId: string;
  readonly store: ContentStore;
  readonly limits: MovedLimits;
}

async function openSource({ from, user }: MoveOptions, stack: AsyncDisposableStack): Promise<MoveSource> {
  const directory = join(from, "catalog");
  await requireOwn(directory, user, "--from", "catalog of an embedded server");
  stack.use(lockDataDir(from));
  const database = await openDatabase({ directory });
  const catalog = stack.use(catalogOver(database, QUERY_MS));
  const store = await openFilesystemStore(join(from, "store"));
  const { cacheBytes, spoolBytes } = (await catalog.capacity.settings()).settings;
  const limits = { cacheBytes, spoolBytes };
  return { session: new Session(database, QUERY_MS), deploymentId: await catalog.deploymentId(), store, limits };
}

async function openTarget(
  { database: options, s3 }: ClusterPlace,
  stack: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<MoveTarget> {
  const database = await openDatabase({ ...options, queryMilliseconds: QUERY_MS, signal });
  const catalog = stack.use(catalogOver(database, QUERY_MS));
  const bucket = stack.use(await openS3Store(s3, signal));
  return { catalog, session: new Session(database, QUERY_MS), bucket };
}

/** Counts, beside telling. */
class Tallies {
  readonly damaged: MovableContent[] = [];
  readonly #watcher: MoveWatcher;
  readonly #limits: MovedLimits;
  readonly #of = { copied: NONE, present: NONE, verified: NONE, damaged: NONE };
  #lost = NONE;

  constructor(watcher: MoveWatcher, limits: MovedLimits) {
    this.#watcher = watcher;
    this.#limits = limits;
  }

  get lost(): Tally {
    return this.#lost;
  }

  moved(bytes: number): void {
    this.#watcher.moved(bytes);
  }

  done(content: MovableContent, outcome: CopyOutcome, reason: string | undefined): void {
    this.#of[outcome] = plus(this.#of[outcome], content);
    if (outcome === "damaged") {
      this.damaged.push(content);
      if (content.internal || content.irreplaceable) this.#lost = plus(this.#lost, content);
    }
    this.#watcher.content(content, outcome, reason);
  }

  report(records: MovedRecords | undefined): MoveReport {
    return { contents: { ...this.#of }, lost: this.#lost, limits: this.#limits, records };
  }
}

const NONE: Tally = { count: 0, bytes: 0 };

function plus({ count, bytes }: Tally, { size }: MovableContent): Tally {
  return { count: count + 1, bytes: bytes + size };
}
