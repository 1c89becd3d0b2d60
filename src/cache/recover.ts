import type { Fence } from "../domain/content.ts";
import type { ContentLedger } from "../domain/content-catalog.ts";
import type { ContentStore } from "../domain/content-store.ts";
import type { Events } from "../domain/events.ts";

export interface RecoverPorts {
  readonly store: ContentStore;
  readonly ledger: ContentLedger;
  readonly events: Events;
}

/**
 * Removes objects that no row names: an earlier process died between the bytes and the row (I2).
 * Only generations older than `before` are looked at, so that no running admission is disturbed;
 * a ledger that does not answer removes nothing (I7). Answers how many went.
 */
export async function removeUnrecorded(ports: RecoverPorts, before: Fence, signal: AbortSignal): Promise<number> {
  let gone = 0;
  for await (const object of ports.store.list(signal)) {
    if (object.fence >= before || (await ports.ledger.generation(object.sha256)) === object.fence) continue;
    await ports.store.remove(object);
    ports.events.emit({ kind: "content-removed", sha256: object.sha256, reason: "unrecorded" });
    gone += 1;
  }
  return gone;
}
