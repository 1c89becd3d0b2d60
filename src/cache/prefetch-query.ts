import { randomUUID } from "node:crypto";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import { isCisternError } from "../domain/errors.ts";
import type { FillEntry, FillId, QueryState } from "../domain/fill-entry.ts";
import type { FillOutcome, FillQueue } from "../domain/fill-queue.ts";
import { prefetchable, prefetchOf } from "../domain/prefetchable.ts";

export interface PrefetchQueryPorts {
  readonly artifacts: ArtifactCatalog;
  readonly queue: FillQueue;
}

const PAGE = 100;
/** Prefetches of one query that wait at once: the rest of what it finds is looked for later. */
const MOST_WAITING = 300;
const PAUSE_MS = 1_000;

/** One turn of a query: looks at the next artifacts and queues their blobs. */
export async function searchOn(entry: FillEntry, ports: PrefetchQueryPorts): Promise<FillOutcome> {
  const { query } = entry;
  if (query === undefined) return { state: "failed", code: "internal", message: "a query without a query" };
  const tally = (await ports.queue.tally([entry.id])).get(entry.id);
  const open = (tally?.queued ?? 0) + (tally?.running ?? 0);
  if (query.searched) return open === 0 ? { state: "done", bytes: 0 } : onwards(query);
  if (open >= MOST_WAITING) return onwards(query);
  return { state: "running", pause: 0, query: await nextPage(entry, query, ports) };
}

async function nextPage(entry: FillEntry, state: QueryState, ports: PrefetchQueryPorts): Promise<QueryState> {
  const { query, marker } = state;
  const asked = { type: undefined, visibleTo: undefined, status: "active", ...query, limit: PAGE } as const;
  try {
    const page = await ports.artifacts.list(marker === undefined ? asked : { ...asked, marker });
    const { priority, askedBy, via, deadline, notBefore, pinFor, id } = entry;
    const wish = { priority, askedBy, via, deadline, notBefore, pinFor, parent: id };
    const found = page.artifacts.flatMap((artifact) =>
      prefetchable(artifact).map((blob) => prefetchOf(randomUUID() as FillId, artifact, blob, wish)),
    );
    await ports.queue.addMissing(found);
    const artifacts = marker === undefined ? page.total : state.artifacts;
    return { query, marker: page.artifacts.at(-1)?.id ?? marker, searched: !page.more, artifacts };
  } catch (error) {
    // The artifact that the last page ended with is gone: begin again, what is queued or here is passed over.
    if (!isCisternError(error, "invalid-input") || marker === undefined) throw error;
    return { query, searched: false, artifacts: state.artifacts };
  }
}

function onwards(query: QueryState): FillOutcome {
  return { state: "running", pause: PAUSE_MS, query };
}
