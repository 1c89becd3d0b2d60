import type { AuditTrail } from "../../domain/audit.ts";
import type { ObjectName } from "../../domain/content.ts";
import type { ContentCare, ScrubItem } from "../../domain/content-care.ts";
import type { ContentInventory } from "../../domain/content-inventory.ts";
import type { ContentStore } from "../../domain/content-store.ts";
import type { Events } from "../../domain/events.ts";
import { SYSTEM } from "../../domain/principal.ts";
import type { HealedFrom, Healer } from "./heal.ts";
import { type Finding, type InspectPorts, inspectTwice } from "./inspect.ts";

export interface ExaminePorts extends InspectPorts {
  readonly store: Pick<ContentStore, "open">;
  readonly care: Pick<ContentCare, "noteScrubbed" | "quarantine" | "release">;
  readonly inventory: Pick<ContentInventory, "find">;
  readonly healer: Healer;
  readonly events: Events;
  readonly audit: AuditTrail;
  /** Takes it back from whoever reads it here. */
  onDamaged(object: ObjectName): Promise<void>;
}

/** What was found of a content in the store, and done about it. */
export type Examined =
  | { readonly found: "intact" }
  | { readonly found: Exclude<Finding, "intact">; readonly healedFrom: HealedFrom }
  /** It was evicted, purged or replaced while it was looked at. */
  | { readonly found: "gone" };

/**
 * Reads what the store has of a content. What is damaged is quarantined first, so that nobody opens it
 * anew; then its readers are cut, and it is healed if anything has its bytes.
 */
export async function examine(item: ScrubItem, ports: ExaminePorts, signal: AbortSignal): Promise<Examined> {
  const { object, size } = item;
  const found = await inspectTwice(() => ports.store.open(object, size), object.sha256, ports, signal);
  if (found === "intact") {
    // If it was quarantined, it need not be any more.
    if (!(await ports.care.release(object, object.fence))) await ports.care.noteScrubbed(object);
    return { found };
  }
  if (!(await ports.care.quarantine(object)) && !(await isQuarantined(object, ports))) return { found: "gone" };
  ports.events.emit({ kind: "content-damaged", sha256: object.sha256, where: "store", found });
  await ports.onDamaged(object);
  const healedFrom = await ports.healer.heal(item, signal);
  if (healedFrom === "nothing") {
    const internal = ((await ports.inventory.find(object.sha256))?.internalRefs ?? 0) > 0;
    ports.events.emit({ kind: "content-not-healed", sha256: object.sha256, internal });
  }
  const after = { where: "store", found, healed_from: healedFrom };
  await ports.audit.record({
    principal: SYSTEM,
    action: "content.damaged",
    object: `contents/${object.sha256}`,
    after,
  });
  return { found, healedFrom };
}

/** From an earlier look: it may be healed by now, and is not gone. */
async function isQuarantined({ sha256, fence }: ObjectName, { inventory }: ExaminePorts): Promise<boolean> {
  const entry = await inventory.find(sha256);
  return entry?.state === "quarantined" && entry.object.fence === fence;
}
