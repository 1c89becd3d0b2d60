import type { BlobCatalog } from "../../domain/blob-catalog.ts";
import type { ObjectName } from "../../domain/content.ts";
import type { ContentInventory } from "../../domain/content-inventory.ts";
import { CisternError } from "../../domain/errors.ts";
import type { Events } from "../../domain/events.ts";
import type { HotEntry, HotTier } from "../../domain/hot-tier.ts";
import type { FillRegistry } from "../fill-registry.ts";
import { isStale } from "../keep-hot.ts";
import { type InspectPorts, inspectTwice } from "./inspect.ts";

export interface ExamineHotPorts extends InspectPorts {
  readonly hot: HotTier;
  readonly inventory: Pick<ContentInventory, "find" | "referrers">;
  readonly blobs: Pick<BlobCatalog, "resolve">;
  readonly fills: Pick<FillRegistry, "startStored" | "ended">;
  readonly events: Events;
  /** Takes it back from whoever reads it here. */
  onDamaged(object: ObjectName): Promise<void>;
}

/** `healed`: it was damaged, and is copied anew; `dropped`: it was, and the store is read instead; `stale`: no row names it. */
export type HotFinding = "intact" | "healed" | "dropped" | "stale";

/** Reads a file of the hot tier. What is damaged goes, and is copied from the store again, which verifies it. */
export async function examineHot(entry: HotEntry, ports: ExamineHotPorts, signal: AbortSignal): Promise<HotFinding> {
  const { name } = entry;
  const row = await ports.inventory.find(name.sha256);
  if (isStale(name, row)) {
    await ports.hot.remove(name);
    return "stale";
  }
  const found = await inspectTwice(() => entry.open(), name.sha256, ports, signal);
  if (found === "intact") return found;
  // Evicted while it was looked at.
  if (found === "missing") return "stale";
  ports.events.emit({ kind: "content-damaged", sha256: name.sha256, where: "hot", found });
  await ports.hot.remove(name);
  await ports.onDamaged(name);
  if (!(await copyAnew(name, ports))) return "dropped";
  ports.events.emit({ kind: "content-healed", sha256: name.sha256, from: "store" });
  return "healed";
}

async function copyAnew(name: ObjectName, { inventory, blobs, fills }: ExamineHotPorts): Promise<boolean> {
  const [referrer] = await inventory.referrers(name.sha256, 1);
  if (referrer === undefined) return false;
  const { artifactId, field, key } = referrer;
  const resolved = await blobs.resolve({ artifactId, field, key });
  if (resolved?.content?.object.fence !== name.fence) return false;
  try {
    const fill = fills.startStored(resolved, resolved.content);
    await fills.ended(fill);
    return fill.verdict !== undefined;
  } catch (error) {
    if (!(error instanceof CisternError)) throw error;
    return false;
  }
}
