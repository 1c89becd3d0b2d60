import type { Clock } from "../domain/clock.ts";
import type { ObjectName } from "../domain/content.ts";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import type { BlockCache } from "./block-cache.ts";
import { blocked } from "./blocked-contents.ts";
import type { FillRegistry } from "./fill-registry.ts";
import type { OpenReaders } from "./open-readers.ts";
import type { Resolver } from "./resolve.ts";
import type { Tombstones } from "./tombstones.ts";

export interface WithdrawPorts {
  readonly readers: OpenReaders;
  readonly fills: Pick<FillRegistry, "refuse">;
  readonly resolver: Pick<Resolver, "forgetContent">;
  readonly tombstones: Pick<Tombstones, "bury">;
  readonly memory: Pick<BlockCache, "drop">;
  readonly clock: Pick<Clock, "sleep">;
}

/** How long readers of wrong bytes may go on for the sake of telling the other processes. */
const TELL_MS = 500;

/** Bytes that are blocked from now on: nobody here reads on, and no fetch of them goes on. */
export function withdrawBlocked(sha256: Sha256, { readers, fills }: Pick<WithdrawPorts, "readers" | "fills">): void {
  fills.refuse(sha256, blocked());
  for (const reader of readers.of(sha256)) reader.cut(blocked());
}

/**
 * An object that was found damaged: whoever reads it here is cut before the end (I1), and does not go
 * on later with right bytes behind wrong ones. Nothing of it stays in memory.
 */
export async function withdrawDamaged(object: ObjectName, ports: WithdrawPorts): Promise<void> {
  ports.resolver.forgetContent(object.sha256);
  ports.memory.drop(object);
  const readers = ports.readers.ofObject(object);
  if (readers.length === 0) return;
  const late = new AbortController();
  const told = readers.map(({ ref, caller }) => ports.tombstones.bury([ref], new Set([caller])));
  await Promise.race([Promise.all(told), ports.clock.sleep(TELL_MS, late.signal)]);
  late.abort();
  const failure = new CisternError("digest-mismatch", "the stored bytes were found to be damaged: download them anew");
  for (const reader of readers) reader.cut(failure);
}
