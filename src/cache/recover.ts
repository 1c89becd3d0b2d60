import type { ObjectName } from "../domain/content.ts";
import type { ContentLedger } from "../domain/content-catalog.ts";
import type { ContentStore, ListedObject } from "../domain/content-store.ts";
import type { Events } from "../domain/events.ts";

export interface RecoverPorts {
  readonly store: Pick<ContentStore, "list" | "remove">;
  readonly ledger: Pick<ContentLedger, "nextFence" | "unrecorded">;
  readonly events: Events;
}

/** Objects that are looked up in one go. */
const PAGE = 1_000;

/**
 * Removes objects that no row names: a process died between the bytes and the row (I2). A ledger that
 * does not answer removes nothing (I7); and generations that it has not given yet are those of a catalog
 * that was put back. Answers how many went.
 *
 * @param writtenBefore where other processes write: what came later, or nobody knows when, is left alone
 */
export async function removeUnrecorded(
  { store, ledger, events }: RecoverPorts,
  signal: AbortSignal,
  writtenBefore?: Date,
): Promise<number> {
  const before = await ledger.nextFence();
  const concerned = ({ fence, writtenAt }: ListedObject) =>
    fence < before && (writtenBefore === undefined || (writtenAt !== undefined && writtenAt < writtenBefore));
  let gone = 0;
  for await (const page of pages(store.list(signal), concerned)) {
    signal.throwIfAborted();
    for (const object of await ledger.unrecorded(page)) {
      await store.remove(object);
      events.emit({ kind: "content-removed", sha256: object.sha256, reason: "unrecorded" });
      gone += 1;
    }
  }
  return gone;
}

async function* pages(
  objects: AsyncIterable<ListedObject>,
  concerned: (object: ListedObject) => boolean,
): AsyncGenerator<readonly ObjectName[]> {
  let page: ObjectName[] = [];
  for await (const object of objects) {
    if (!concerned(object)) continue;
    page.push({ sha256: object.sha256, fence: object.fence });
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
