import type { ContentCare, Purged } from "../../domain/content-care.ts";
import type { ContentEntry, ContentFilter, ContentInventory } from "../../domain/content-inventory.ts";
import { sha256 } from "../../domain/digest.ts";
import type { Events } from "../../domain/events.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { TaskRecord } from "../../domain/tasks.ts";
import { filterFrom } from "./content-filter.ts";
import { countIn, flagIn, textIn } from "./progress.ts";
import type { TaskRun } from "./task-runner.ts";

export interface PurgePorts {
  readonly inventory: Pick<ContentInventory, "list">;
  readonly care: Pick<ContentCare, "purge">;
  readonly events: Events;
  /** Told of what went, before anything else. */
  onPurged(content: ContentEntry): void;
  /** Removes what nobody reads. */
  reap(signal: AbortSignal): Promise<void>;
}

const PAGE = 100;
/** What is told when nothing matches. */
const NOTHING: JsonObject = { purged: 0, bytes: 0, kept_internal: 0, kept_irreplaceable: 0, kept_pinned: 0 };

/** Takes out all contents that pass a filter, in the order of their digests: the place in it is all that a restart needs. */
export class PurgeRun implements TaskRun {
  readonly #ports: PurgePorts;

  constructor(ports: PurgePorts) {
    this.#ports = ports;
  }

  async run(task: TaskRecord, tell: (progress: JsonObject) => void, signal: AbortSignal): Promise<JsonObject> {
    const { inventory, care, events, onPurged, reap } = this.#ports;
    const filter = filterFrom(task.query);
    const force = flagIn(task.query, "force");
    let progress = task.progress;
    for await (const content of contentsOf(inventory, filter, textIn(progress, "after"))) {
      signal.throwIfAborted();
      const { sha256: digest } = content.object;
      const purged = await care.purge(digest, force);
      if (purged === "condemned") {
        events.emit({ kind: "content-removed", sha256: digest, reason: "purged" });
        onPurged(content);
      }
      progress = counted(progress, purged, content);
      tell(progress);
    }
    await reap(signal);
    const { after: _after, ...result } = { ...NOTHING, ...progress };
    return result;
  }
}

/** What a purge would do, without doing it. */
export interface PurgePlan {
  readonly counts: JsonObject;
  /** The first of those that would go. */
  readonly contents: readonly ContentEntry[];
}

export async function planPurge(
  inventory: Pick<ContentInventory, "list">,
  filter: ContentFilter,
  force: boolean,
  most: number,
): Promise<PurgePlan> {
  let counts = NOTHING;
  const contents: ContentEntry[] = [];
  for await (const content of contentsOf(inventory, filter, undefined)) {
    const fate = fateOf(content, force);
    counts = counted(counts, fate, content);
    if (fate === "condemned" && contents.length < most) contents.push(content);
  }
  const { after: _after, ...rest } = counts;
  return { counts: rest, contents };
}

/** As ContentCare.purge decides. */
function fateOf({ state, internalRefs, irreplaceableSince, pin }: ContentEntry, force: boolean): Purged {
  if (state === "condemned") return "absent";
  if (internalRefs > 0) return "internal";
  if (!force && irreplaceableSince !== undefined) return "irreplaceable";
  return !force && pin !== undefined ? "pinned" : "condemned";
}

function counted(before: JsonObject, purged: Purged, { object, size }: ContentEntry): JsonObject {
  const counts = {
    purged: countIn(before, "purged"),
    bytes: countIn(before, "bytes"),
    kept_internal: countIn(before, "kept_internal"),
    kept_irreplaceable: countIn(before, "kept_irreplaceable"),
    kept_pinned: countIn(before, "kept_pinned"),
    after: object.sha256,
  };
  switch (purged) {
    case "condemned":
      return { ...counts, purged: counts.purged + 1, bytes: counts.bytes + size };
    case "internal":
      return { ...counts, kept_internal: counts.kept_internal + 1 };
    case "irreplaceable":
      return { ...counts, kept_irreplaceable: counts.kept_irreplaceable + 1 };
    case "pinned":
      return { ...counts, kept_pinned: counts.kept_pinned + 1 };
    case "absent":
      return counts;
  }
}

async function* contentsOf(
  inventory: Pick<ContentInventory, "list">,
  filter: ContentFilter,
  begin: string | undefined,
): AsyncGenerator<ContentEntry> {
  let after = begin === undefined ? undefined : { sha256: sha256(begin), place: begin };
  for (;;) {
    const page = await inventory.list({ filter, order: "sha256", descending: false, limit: PAGE, after });
    yield* page.contents;
    if (page.next === undefined) return;
    after = page.next;
  }
}
