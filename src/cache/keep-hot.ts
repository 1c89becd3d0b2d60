import type { ObjectName } from "../domain/content.ts";
import type { ContentEntry, ContentInventory } from "../domain/content-inventory.ts";
import { CisternError } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";
import type { HotTier } from "../domain/hot-tier.ts";
import type { SpoolFile } from "../domain/spool.ts";

export interface HotPorts {
  /** Local files in front of the store; undefined: the store is local itself. */
  readonly hot: HotTier | undefined;
  readonly inventory: Pick<ContentInventory, "find">;
  readonly events: Events;
}

/** A local copy for the next readers here. What fails costs that copy, nothing else. */
export async function keepHot(ports: HotPorts, object: ObjectName, file: SpoolFile, size: number): Promise<void> {
  const { hot, inventory } = ports;
  if (hot === undefined) return;
  try {
    if (!(await hot.keep(object, file, size))) return;
    // Content that went while it was copied: whoever removed it here found nothing yet.
    if (isStale(object, await inventory.find(object.sha256))) await hot.remove(object);
  } catch (error) {
    if (!(error instanceof CisternError)) throw error;
    ports.events.emit({ kind: "degraded", part: "hot", cause: error });
  }
}

/** No row names it. What the store has of quarantined content is damaged: this may be the only copy that heals it. */
export function isStale(name: ObjectName, row: ContentEntry | undefined): boolean {
  return row === undefined || row.state === "condemned" || row.object.fence !== name.fence;
}
