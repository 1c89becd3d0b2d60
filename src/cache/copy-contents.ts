import type { ObjectName } from "../domain/content.ts";
import type { ContentStore, StoredObject } from "../domain/content-store.ts";
import { CisternError, isCisternError } from "../domain/errors.ts";
import type { Hasher } from "../domain/hasher.ts";
import type { SpoolFile } from "../domain/spool.ts";
import { digestObject } from "./digest-object.ts";
import { inParallel } from "./in-parallel.ts";

/** Content of one store that is to be in another one, too. */
export interface ContentToCopy {
  readonly object: ObjectName;
  /** Bytes. */
  readonly size: number;
}

/** An object as a spool, once its pieces were noted in the first reading. */
export interface NotedSpool extends SpoolFile {
  note(piece: Uint8Array): void;
}

export interface CopyPorts {
  readonly from: Pick<ContentStore, "open">;
  readonly to: Pick<ContentStore, "open" | "stage" | "remove">;
  readonly hasher: Hasher;
  /** @param onRead told up to which offset it was read */
  spoolOf(object: StoredObject, onRead: (end: number) => void): NotedSpool;
}

export interface CopyOptions {
  /** Reads what is in the target already, rather than to trust its name and size. */
  readonly verify: boolean;
  /** Only tells what would be done: nothing is written, and nothing is read here. */
  readonly dryRun: boolean;
}

/** What became of one content: copied; there already; there already and read; or the bytes here are not what they must be. */
export type CopyOutcome = "copied" | "present" | "verified" | "damaged";

export interface CopyWatcher<T extends ContentToCopy> {
  /** Bytes on their way, of all contents; what was copied is counted once. */
  moved(bytes: number): void;
  done(content: T, outcome: CopyOutcome, reason: string | undefined): void;
}

/** Contents at the same time: while one is read, others go up. */
const WIDTH = 3;

/**
 * Copies contents under their names, each verified before its first byte goes up: an object that is
 * there has passed. Those that are there already are passed over. What is damaged here is told, and
 * left out; a target that fails ends all of it.
 */
export async function copyContents<T extends ContentToCopy>(
  contents: AsyncIterable<T>,
  ports: CopyPorts,
  options: CopyOptions,
  watcher: CopyWatcher<T>,
  signal: AbortSignal,
): Promise<void> {
  const run = async (content: T, ending: AbortSignal) => {
    const counted = new Counter(content.size, (bytes) => watcher.moved(bytes));
    const present = await lookAt(content, ports, options, counted, ending);
    if (present !== undefined) {
      counted.upTo(content.size);
      watcher.done(content, present, undefined);
      return;
    }
    const reason = await copy(content, ports, options, counted, ending);
    counted.upTo(content.size);
    watcher.done(content, reason === undefined ? "copied" : "damaged", reason);
  };
  await inParallel(contents, WIDTH, run, signal);
}

/** undefined: it is not in the target, or not as it must be, and has to be copied. */
async function lookAt(
  { object, size }: ContentToCopy,
  { to, hasher }: CopyPorts,
  { verify, dryRun }: CopyOptions,
  counted: Counter,
  signal: AbortSignal,
): Promise<CopyOutcome | undefined> {
  await using present = await to.open(object, size);
  if (present === undefined) return undefined;
  if (!verify) return "present";
  const onPiece = (piece: Uint8Array) => counted.add(piece.length);
  const { sha256 } = await digestObject(present, hasher.start([]), onPiece, signal);
  if (sha256 === object.sha256) return "verified";
  if (!dryRun) await to.remove(object);
  counted.restart();
  return undefined;
}

/** Answers what is wrong with the bytes here; undefined: they are there now. */
async function copy(
  { object, size }: ContentToCopy,
  ports: CopyPorts,
  { dryRun }: CopyOptions,
  counted: Counter,
  signal: AbortSignal,
): Promise<string | undefined> {
  await using opened = await openOrReason(ports.from, object, size);
  if ("reason" in opened) return opened.reason;
  if (dryRun) return undefined;
  await using spool = ports.spoolOf(opened.object, (end) => counted.upTo(end));
  const wrong = await findFault(opened.object, object, spool, ports.hasher, signal);
  if (wrong !== undefined) return wrong;
  await using staging = ports.to.stage(object, spool, size);
  await staging.commit(signal);
  return undefined;
}

type Opened = AsyncDisposable & ({ readonly object: StoredObject } | { readonly reason: string });

async function openOrReason(from: CopyPorts["from"], name: ObjectName, size: number): Promise<Opened> {
  const nothing = { [Symbol.asyncDispose]: async () => undefined };
  try {
    const object = await from.open(name, size);
    if (object === undefined) return { reason: "is missing, or has another size", ...nothing };
    return { object, [Symbol.asyncDispose]: () => object[Symbol.asyncDispose]() };
  } catch (error) {
    return { reason: unreadable(error), ...nothing };
  }
}

/** Reads it once; what the disk says against it is a fault of this one content. */
async function findFault(
  opened: StoredObject,
  name: ObjectName,
  spool: NotedSpool,
  hasher: Hasher,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const { sha256 } = await digestObject(opened, hasher.start([]), (piece) => spool.note(piece), signal);
    return sha256 === name.sha256 ? undefined : "does not have its sha256";
  } catch (error) {
    return unreadable(error);
  }
}

function unreadable(error: unknown): string {
  if (error instanceof CisternError && isCisternError(error, "store-unavailable")) return "cannot be read";
  throw error;
}

/** Adds up what of one content has moved. */
class Counter {
  readonly #size: number;
  readonly #moved: (bytes: number) => void;
  #bytes = 0;

  constructor(size: number, moved: (bytes: number) => void) {
    this.#size = size;
    this.#moved = moved;
  }

  add(bytes: number): void {
    this.upTo(this.#bytes + bytes);
  }

  upTo(bytes: number): void {
    const moved = Math.min(bytes, this.#size) - this.#bytes;
    if (moved <= 0) return;
    this.#bytes += moved;
    this.#moved(moved);
  }

  restart(): void {
    this.#moved(-this.#bytes);
    this.#bytes = 0;
  }
}
