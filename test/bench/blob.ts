import { blobDigests, type Digests } from "./load-program.ts";

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** A blob of the origin: its content follows from the seed. */
export interface BenchBlob {
  readonly seed: string;
  readonly size: number;
  /** On the origin. */
  readonly path: string;
  /** Computed when first asked for; takes about a second per 256 MiB. */
  digests(): Promise<Digests>;
}

export function benchBlob(seed: string, size: number): BenchBlob {
  let digests: Promise<Digests> | undefined;
  return {
    seed,
    size,
    path: `/blob/${seed}/${size}`,
    digests: () => {
      digests ??= blobDigests({ seed, size });
      return digests;
    },
  };
}
