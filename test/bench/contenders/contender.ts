import type { BenchBlob } from "../blob.ts";
import type { Target } from "../load-program.ts";

/** A running server that is measured. */
export interface Contender extends AsyncDisposable {
  readonly name: string;
  /** Root of its process tree. */
  readonly pid: number;
  /** Makes the blob known, where that is needed, and answers how to ask for it. Fetches nothing. */
  target(blob: BenchBlob): Promise<Target>;
}

/** What every contender is started with. */
export interface Surroundings {
  /** Base URL of the origin, without a slash at the end. */
  readonly origin: string;
  /** A directory of its own, empty. */
  readonly directory: string;
}

/** Starts a contender, or answers which program this machine lacks. */
export type Starter = (surroundings: Surroundings) => Promise<Contender | { readonly missing: string }>;

/** A target at the contender's own address, under the origin's path. */
export function samePath(base: string, blob: BenchBlob): Target {
  return { url: base + blob.path, headers: {}, seed: blob.seed, size: blob.size };
}
