import { mkdir, utimes } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ObjectName } from "../domain/content.ts";
import type { StoredObject } from "../domain/content-store.ts";
import { isCisternError } from "../domain/errors.ts";
import type { HotEntry, HotTier } from "../domain/hot-tier.ts";
import type { TierUse } from "../domain/replica.ts";
import type { SpoolFile } from "../domain/spool.ts";
import type { LimitedTier, SpareTier } from "../domain/tier.ts";
import { storeFailure } from "./io-error.ts";
import { moveFile } from "./move-file.ts";
import { emptyDirectory, objectPath, removeObject } from "./object-directory.ts";
import { type FoundObject, scanObjects } from "./scan-objects.ts";
import { StoredFile } from "./stored-file.ts";

/** Files occupy whole blocks. It bounds the number of files too. */
const BLOCK = 4096;
/** The order of reads survives a restart to within this. */
const TOUCH_MS = 60_000;
/** Content that takes more would push out most of the others for one reader. */
const LARGEST_SHARE = 1 / 4;
/** Deletions at once: more of them would keep readers waiting for the thread pool. */
const DROPS = 4;
const NEVER = new AbortController().signal;

/**
 * A hot tier in a directory, `<directory>/sha256/ab/cd/<hex>/<fence>`, created with mode 0700 when it
 * is missing. The one process that holds the data directory uses it. What an earlier process left is
 * found here, and cut to the limit.
 *
 * A power cut leaves no wrong bytes: they were synced under the spool's name, and a rename is all
 * or nothing. The directories are not synced: a name that is lost costs a read of the store.
 *
 * @param limitBytes bytes on the disk, in whole blocks; 0: nothing fits
 * @param now milliseconds since the epoch
 */
export async function openHotTier(
  directory: string,
  limitBytes: number,
  now: () => number = Date.now,
): Promise<HotTier & LimitedTier & SpareTier> {
  const root = resolve(directory);
  const incoming = join(root, "incoming");
  try {
    await mkdir(incoming, { recursive: true, mode: 0o700 });
    await mkdir(join(root, "sha256"), { recursive: true, mode: 0o700 });
    await emptyDirectory(incoming);
    const found = await scanObjects(root);
    const tier = new DirectoryHotTier(root, incoming, limitBytes, now);
    await tier.adopt(found);
    return tier;
  } catch (error) {
    throw storeFailure(error);
  }
}

interface HotFile {
  readonly name: ObjectName;
  readonly size: number;
  /** Objects that are open, or being opened. */
  readers: number;
  /** When its last read was noted in the file's times. */
  touchedAt: number;
  /** Set while it is being deleted, and from then on. */
  dropped: Promise<void> | undefined;
  /** Its name is gone; its bytes are when the last reader leaves. */
  deleted: boolean;
}

class DirectoryHotTier implements HotTier, LimitedTier, SpareTier {
  readonly #root: string;
  readonly #incoming: string;
  #limit: number;
  readonly #now: () => number;
  /** By name; what was read least recently comes first. */
  readonly #files = new Map<string, HotFile>();
  readonly #arriving = new Map<string, Promise<boolean>>();
  /** Bytes of all files, of deleted ones that are still being read, and of those on their way in. */
  #used = 0;
  /** Who makes room: one at a time, for each counts with what the others have left. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(root: string, incoming: string, limit: number, now: () => number) {
    this.#root = root;
    this.#incoming = incoming;
    this.#limit = limit;
    this.#now = now;
  }

  /** Takes up what an earlier process left; the oldest goes when it is too much. */
  async adopt(found: readonly FoundObject[]): Promise<void> {
    for (const { name, size, modifiedAt } of found.toSorted((a, b) => a.modifiedAt - b.modifiedAt)) {
      this.#add(name, size, modifiedAt);
      this.#used += occupied(size);
    }
    await this.#makeRoom(0);
  }

  get use(): TierUse {
    return { used: this.#used, limit: this.#limit };
  }

  async resize(limit: number): Promise<void> {
    this.#limit = limit;
    await this.#inTurn(() => this.#dropSome(this.#used - this.#limit));
  }

  spare(bytes: number): Promise<number> {
    return this.#inTurn(() => this.#dropSome(bytes));
  }

  fits(size: number): boolean {
    return occupied(size) <= this.#limit * LARGEST_SHARE;
  }

  async open(name: ObjectName, size: number): Promise<StoredObject | undefined> {
    const file = this.#files.get(keyOf(name));
    const opened = file === undefined ? undefined : await this.#open(file, size);
    if (file !== undefined && opened !== undefined) this.#noteRead(file);
    return opened;
  }

  list(): readonly HotEntry[] {
    return [...this.#files.values()]
      .filter(({ dropped }) => dropped === undefined)
      .map((file) => ({ name: file.name, size: file.size, open: () => this.#open(file, file.size) }));
  }

  async #open(file: HotFile, size: number): Promise<StoredObject | undefined> {
    // Counted from now on, so that it is not chosen to make room while it is being opened.
    file.readers += 1;
    let opened: StoredFile | undefined;
    try {
      opened = await StoredFile.open(objectPath(this.#root, file.name), size);
      if (opened === undefined) await this.#drop(file);
    } finally {
      if (opened === undefined) this.#leave(file);
    }
    return opened === undefined ? undefined : new HotObject(opened, () => this.#leave(file));
  }

  async keep(name: ObjectName, spool: SpoolFile, size: number): Promise<boolean> {
    if (!this.fits(size)) return false;
    const key = keyOf(name);
    // The same bytes twice: whoever comes first brings them.
    for (let other = this.#arriving.get(key); other !== undefined; other = this.#arriving.get(key)) {
      if (await other) return true;
    }
    const known = this.#files.get(key);
    if (known?.size === size && known.dropped === undefined) return true;
    const arrival = this.#admit(name, spool, size);
    this.#arriving.set(key, arrival);
    try {
      return await arrival;
    } finally {
      this.#arriving.delete(key);
    }
  }

  async remove(name: ObjectName): Promise<void> {
    const key = keyOf(name);
    await Promise.allSettled([this.#arriving.get(key)]);
    const file = this.#files.get(key);
    if (file !== undefined) await this.#drop(file);
  }

  async #admit(name: ObjectName, spool: SpoolFile, size: number): Promise<boolean> {
    const old = this.#files.get(keyOf(name));
    if (old !== undefined) await this.#drop(old);
    if (!(await this.#inTurn(() => this.#makeRoom(occupied(size))))) return false;
    try {
      await moveFile(spool.path, objectPath(this.#root, name), this.#incoming, NEVER);
    } catch (error) {
      this.#used -= occupied(size);
      const failure = storeFailure(error);
      if (isCisternError(failure, "spool-full")) return false;
      throw failure;
    }
    this.#add(name, size, 0);
    return true;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = Promise.allSettled([done]);
    return done;
  }

  /** Deletes so many bytes, or as many as are not being read; answers how many. */
  async #dropSome(bytes: number): Promise<number> {
    let freed = 0;
    for (const file of [...this.#files.values()]) {
      if (freed >= bytes) break;
      if (file.readers > 0) continue;
      await this.#drop(file);
      freed += occupied(file.size);
    }
    return freed;
  }

  /** Takes `bytes` of the limit, after deleting what was read least recently and is not being read. */
  async #makeRoom(bytes: number): Promise<boolean> {
    for (;;) {
      const victims = this.#victims(this.#used + bytes - this.#limit);
      if (victims === undefined) return false;
      if (victims.length === 0) break;
      // One that was opened meanwhile frees nothing yet: then others are chosen.
      for (let at = 0; at < victims.length; at += DROPS) {
        await Promise.all(victims.slice(at, at + DROPS).map((victim) => this.#drop(victim)));
      }
    }
    this.#used += bytes;
    return true;
  }

  /** Files that free so many bytes together; undefined: there are not so many, and nothing is to be lost for it. */
  #victims(bytes: number): HotFile[] | undefined {
    const victims: HotFile[] = [];
    let freed = 0;
    if (bytes <= 0) return victims;
    for (const file of this.#files.values()) {
      // To delete what is being read frees nothing until its readers are done.
      if (file.readers > 0) continue;
      victims.push(file);
      freed += occupied(file.size);
      if (freed >= bytes) return victims;
    }
    return undefined;
  }

  #add(name: ObjectName, size: number, touchedAt: number): void {
    this.#files.set(keyOf(name), { name, size, readers: 0, touchedAt, dropped: undefined, deleted: false });
  }

  /** Deletes a file, once; after a failure it can be tried again. */
  #drop(file: HotFile): Promise<void> {
    file.dropped ??= this.#delete(file);
    return file.dropped;
  }

  async #delete(file: HotFile): Promise<void> {
    try {
      await removeObject(this.#root, file.name);
    } catch (error) {
      file.dropped = undefined;
      throw error;
    }
    this.#files.delete(keyOf(file.name));
    file.deleted = true;
    if (file.readers === 0) this.#used -= occupied(file.size);
  }

  #leave(file: HotFile): void {
    file.readers -= 1;
    if (file.deleted && file.readers === 0) this.#used -= occupied(file.size);
  }

  #noteRead(file: HotFile): void {
    const key = keyOf(file.name);
    if (this.#files.get(key) !== file) return;
    this.#files.delete(key);
    this.#files.set(key, file);
    const at = this.#now();
    if (at - file.touchedAt < TOUCH_MS) return;
    file.touchedAt = at;
    const time = new Date(at);
    // In the background, and nobody is told when it fails: it costs its place in the order after a restart.
    utimes(objectPath(this.#root, file.name), time, time).catch(() => undefined);
  }
}

/** Tells when it is closed. */
class HotObject implements StoredObject {
  readonly size: number;
  readonly #file: StoredFile;
  readonly #onClosed: () => void;
  #closed: Promise<void> | undefined;

  constructor(file: StoredFile, onClosed: () => void) {
    this.#file = file;
    this.size = file.size;
    this.#onClosed = onClosed;
  }

  read(into: Buffer, offset: number): Promise<number> {
    return this.#file.read(into, offset);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#file[Symbol.asyncDispose]().finally(this.#onClosed);
    return this.#closed;
  }
}

function occupied(size: number): number {
  return Math.max(1, Math.ceil(size / BLOCK)) * BLOCK;
}

function keyOf({ sha256, fence }: ObjectName): string {
  return `${sha256}/${fence}`;
}
