import { closeSync, fsyncSync, openSync } from "node:fs";
import type { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";

/** The part of Emscripten's file system over Node's that has to be completed. */
interface NodeFileSystem {
  readonly stream_ops: { fsync?: (stream: OpenStream) => number };
  realPath(node: unknown): string;
}

interface OpenStream {
  /** The real descriptor; directories have none. */
  readonly nfd?: number;
  readonly node: unknown;
}

type InitOptions = Parameters<NodeFS["init"]>[1];
type InitAnswer = Awaited<ReturnType<NodeFS["init"]>>;

/**
 * The directory of an embedded Postgres whose fsync really syncs. As it comes, PGlite's fsync
 * answers success and does nothing, and its fdatasync cannot be completed at all: Postgres has to
 * be told `wal_sync_method=fsync`.
 */
export class SyncedFilesystem extends NodeFS {
  readonly #fatal: (reason: unknown) => never;

  /**
   * @param fatal ends the thread at once: after a sync that failed, or an abort inside Postgres,
   *   nothing that it says may be believed, and only a new start recovers
   */
  constructor(directory: string, fatal: (reason: unknown) => never) {
    super(directory);
    this.#fatal = fatal;
  }

  override async init(pg: PGlite, options: InitOptions): Promise<InitAnswer> {
    const answer = await super.init(pg, options);
    const fatal = this.#fatal;
    const preRun = [
      ...asList(answer.emscriptenOpts.preRun),
      (module: object) => {
        const nodefs: NodeFileSystem = Reflect.get(module, "NODEFS");
        nodefs.stream_ops.fsync = (stream) => {
          try {
            if (stream.nfd === undefined) syncPath(nodefs.realPath(stream.node));
            else fsyncSync(stream.nfd);
            return 0;
          } catch (error) {
            return fatal(error);
          }
        };
      },
    ];
    const onAbort = (what: unknown) => fatal(what || "Postgres gave up, as it does when the disk is full");
    return { emscriptenOpts: { ...answer.emscriptenOpts, preRun, onAbort } };
  }
}

/** Syncs a file or directory by its path. */
export function syncPath(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function asList<T>(value: T | T[] | undefined): T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
