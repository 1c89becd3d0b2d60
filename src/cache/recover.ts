import type { Fence, ObjectName } from "../domain/content.ts";
import type { ContentLedger } from "../domain/content-catalog.ts";
import type { ContentStore } from "../domain/content-store.ts";
import type { Events } from "../domain/events.ts";

export interface RecoverPorts {
  readonly store: Pick<ContentStore, "list" | "remove">;
  readonly ledger: Pick<ContentLedger, "nextFence" | "unrecorded">;
  readonly events: Events;
}

/** Objects that are looked up in one go. */
const PAGE = 1_000;
/** Suspects that are remembered; of more, the others have their turn later. */
const MOST = 10_000;

/**
 * Removes objects that no row names: an earlier process died between the bytes and the row (I2).
 * Only where no other process writes. A ledger that does not answer removes nothing (I7). Answers how
 * many went.
 */
export async function removeUnrecorded(ports: RecoverPorts, signal: AbortSignal): Promise<number> {
  let gone = 0;
  for await (const object of unrecorded(ports, signal)) {
    await remove(object, ports);
    gone += 1;
  }
  return gone;
}

/**
 * The same among other processes, which may be between the bytes and the row at this moment: an object
 * goes when no row named it at the turn before either. Nobody tries to write a row for as long as
 * turns are apart.
 */
export class UnrecordedObjects {
  readonly #ports: RecoverPorts;
  #suspects: ReadonlySet<string> = new Set();

  constructor(ports: RecoverPorts) {
    this.#ports = ports;
  }

  async turn(signal: AbortSignal): Promise<void> {
    const suspects = new Set<string>();
    for await (const object of unrecorded(this.#ports, signal)) {
      const name = `${object.sha256}/${object.fence}`;
      if (this.#suspects.has(name)) await remove(object, this.#ports);
      else if (suspects.size < MOST) suspects.add(name);
    }
    this.#suspects = suspects;
  }
}

/** Of generations that are given already only: a catalog that was put back has not lost what it does not know yet. */
async function* unrecorded({ store, ledger }: RecoverPorts, signal: AbortSignal): AsyncGenerator<ObjectName> {
  const before = await ledger.nextFence();
  for await (const page of pages(store.list(signal), before)) {
    signal.throwIfAborted();
    yield* await ledger.unrecorded(page);
  }
}

async function* pages(objects: AsyncIterable<ObjectName>, before: Fence): AsyncGenerator<readonly ObjectName[]> {
  let page: ObjectName[] = [];
  for await (const object of objects) {
    if (object.fence < before) page.push(object);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

async function remove(object: ObjectName, { store, events }: RecoverPorts): Promise<void> {
  await store.remove(object);
  events.emit({ kind: "content-removed", sha256: object.sha256, reason: "unrecorded" });
}
