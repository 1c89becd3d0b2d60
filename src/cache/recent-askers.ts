import { LRUCache } from "lru-cache";
import type { ResolvedBlob } from "../domain/blob.ts";
import type { Principal } from "../domain/principal.ts";

/** A client and what it has asked for last. */
export interface Asker extends Pick<ResolvedBlob, "artifact" | "blob"> {
  readonly principal: Principal;
}

const MAX_ASKERS = 4_096;
const REMEMBERED_MS = 24 * 3_600_000;

/** Who has asked this process for blobs: what a dry run tries another policy on. */
export class RecentAskers {
  // By the object: the same connection shows the same one, and nothing is put together at each request.
  readonly #askers = new LRUCache<Principal, Asker>({ max: MAX_ASKERS, ttl: REMEMBERED_MS });

  note(principal: Principal, { artifact, blob }: ResolvedBlob): void {
    // The same connection asks for the same blob again and again.
    if (this.#askers.peek(principal)?.blob === blob) return;
    this.#askers.set(principal, { principal, artifact, blob });
  }

  /** One of each token and address, with what it asked for last; the newest first. */
  list(): readonly Asker[] {
    const known = new Map<string, Asker>();
    for (const asker of this.#askers.values()) {
      const { tokenId, address } = asker.principal;
      const name = `${tokenId} ${address}`;
      if (!known.has(name)) known.set(name, asker);
    }
    return [...known.values()];
  }
}
