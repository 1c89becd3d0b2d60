import type { BlobId } from "./blob.ts";
import type { Principal } from "./principal.ts";

/** A client, and the blob that it has asked for last. */
export interface RecentAsker {
  readonly principal: Principal;
  readonly blob: BlobId;
  /** Milliseconds since it asked. */
  readonly age: number;
}

/** One of each token and address, with what it asked for last, wherever it asked; the newest first. */
export function mergeAskers(askers: readonly RecentAsker[]): readonly RecentAsker[] {
  const known = new Map<string, RecentAsker>();
  for (const asker of askers.toSorted((one, other) => one.age - other.age)) {
    const name = clientName(asker.principal);
    if (!known.has(name)) known.set(name, asker);
  }
  return [...known.values()];
}

/** A client is a token at an address. */
export function clientName({ tokenId, address }: Principal): string {
  return `${tokenId} ${address}`;
}
