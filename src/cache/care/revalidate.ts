import type { AuditTrail } from "../../domain/audit.ts";
import type { Clock } from "../../domain/clock.ts";
import type { Events } from "../../domain/events.ts";
import { maskUrl } from "../../domain/location.ts";
import { SYSTEM } from "../../domain/principal.ts";
import type { CheckedLocation, DueContent, DueCursor, Revalidation } from "../../domain/revalidation.ts";
import type { Source } from "../../domain/source.ts";
import { nameOf } from "../behalf.ts";
import type { PolicyInForce } from "../policy-in-force.ts";
import { askLocation } from "./ask-location.ts";

export interface RevalidatePorts {
  readonly revalidation: Revalidation;
  readonly source: Pick<Source, "head" | "open">;
  readonly policy: Pick<PolicyInForce, "contentRules" | "current">;
  readonly clock: Pick<Clock, "now">;
  readonly events: Events;
  readonly audit: AuditTrail;
}

const PAGE = 100;

/**
 * Asks origins whether they still deliver cached content, as often as the content rules say. Content that
 * none of its locations delivers any more is irreplaceable, until one does again (I5). The recorded digest
 * stands whatever they say (I10), and doubt changes nothing (I7).
 */
export async function revalidate(ports: RevalidatePorts, signal: AbortSignal): Promise<void> {
  const now = ports.clock.now();
  const { document } = ports.policy.current;
  const intervals = document.content.flatMap(({ set }) => set.revalidateEvery ?? []);
  if (intervals.length === 0) return;
  const before = new Date(now.getTime() - Math.min(...intervals));
  for (let after: DueCursor | undefined; ; ) {
    const page = await ports.revalidation.due(before, after, PAGE);
    for (const content of page.contents) {
      signal.throwIfAborted();
      if (isDue(content, ports, now)) await revalidateOne(content, ports, signal);
    }
    if (page.next === undefined) return;
    after = page.next;
  }
}

/** By the shortest interval that a rule sets for any of its records. */
function isDue({ locations, revalidatedAt, size }: DueContent, { policy }: RevalidatePorts, now: Date): boolean {
  const intervals = locations.flatMap((one) => policy.contentRules(one, size).revalidateEvery?.value ?? []);
  if (intervals.length === 0) return false;
  return revalidatedAt === undefined || now.getTime() - revalidatedAt.getTime() >= Math.min(...intervals);
}

async function revalidateOne(content: DueContent, ports: RevalidatePorts, signal: AbortSignal): Promise<void> {
  const { sha256, locations, irreplaceable: before } = content;
  const verdicts: (boolean | undefined)[] = [];
  for (const location of locations) verdicts.push(await ask(content, location, ports, signal));
  const irreplaceable = verdictOf(verdicts);
  await ports.revalidation.conclude(sha256, irreplaceable);
  if (irreplaceable === undefined || irreplaceable === before) return;
  ports.events.emit({ kind: "content-irreplaceable", sha256, irreplaceable });
  await ports.audit.record({
    principal: SYSTEM,
    action: "content.revalidate",
    object: `contents/${sha256}`,
    before: { irreplaceable: before },
    after: { irreplaceable },
  });
}

/** One that delivers is enough; that none does has to be certain of each. */
function verdictOf(delivers: readonly (boolean | undefined)[]): boolean | undefined {
  if (delivers.includes(true)) return false;
  return delivers.length === 0 || delivers.includes(undefined) ? undefined : true;
}

/** Whether the location delivers the content, as far as anybody knows. */
async function ask(
  { sha256, size }: DueContent,
  { artifact, blob, check }: CheckedLocation,
  ports: RevalidatePorts,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const { location } = blob;
  if (location?.kind !== "external") return undefined;
  const behalf = { project: artifact.owner, blob: nameOf(blob), fill: undefined, size: undefined };
  const told = await askLocation(ports.source, { location, behalf }, size, check, signal);
  if (told.kind === "doubt") return check?.delivers;
  await ports.revalidation.note(blob.id, location.url, told.check);
  if (told.kind === "changed" && check?.delivers !== false) {
    const found = `${told.check.size ?? "unknown"} bytes, another size or validator than before`;
    ports.events.emit({ kind: "content-changed", url: maskUrl(location.url), recorded: sha256, found });
    const after = { url: maskUrl(location.url), size: told.check.size ?? null };
    await ports.audit.record({ principal: SYSTEM, action: "location.drift", object: nameOf(blob), after });
  }
  return told.check.delivers;
}
