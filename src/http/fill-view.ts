import { z } from "zod";
import type { ShownFill } from "../artifact/fills.ts";
import { formatDuration } from "../domain/duration.ts";
import { FILL_KINDS, FILL_REASONS, FILL_STATES, type FillEntry, type FillFacts } from "../domain/fill-entry.ts";
import type { Shown } from "./operation.ts";
import { bytes, shownTime } from "./wire-fields.ts";

const count = z.int().min(0);

const partsShape = z.object({
  /** Artifacts that match, once they were counted. */
  artifacts: count,
  /** All of them have been looked at. */
  searched: z.boolean(),
  queued: count,
  running: count,
  done: count,
  failed: count,
  cancelled: count,
});

/** A fetch: asked for ahead, found by a query, or caused by readers. */
export const fillShape = z
  .object({
    id: z.string(),
    kind: z.enum(FILL_KINDS),
    state: z.enum(FILL_STATES),
    /** A cancellation that its replica has not carried out yet. */
    cancelling: z.boolean(),
    priority: z.int().min(0).max(9),
    project: z.string(),
    artifact: z.object({ id: z.string(), type: z.string(), name: z.string() }).nullable(),
    /** `field`, or `field/key`. */
    blob: z.string().nullable(),
    query: z.record(z.string(), z.string()).nullable(),
    parts: partsShape.nullable(),
    parent: z.string().nullable(),
    /** Masked. */
    source: z.string().nullable(),
    origin: z.string().nullable(),
    replica: z.string().nullable(),
    bytes,
    total: bytes.nullable(),
    /** Bytes per second. */
    rate: bytes,
    followers: count,
    attempts: count,
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
    asked_by: z.string().nullable(),
    via: z.enum(FILL_REASONS).nullable(),
    not_before: shownTime.nullable(),
    deadline: shownTime.nullable(),
    pin_for: z.string().nullable(),
    /** When it is its turn at the earliest, while it waits. */
    next_attempt_at: shownTime.nullable(),
    created_at: shownTime.nullable(),
    started_at: shownTime.nullable(),
    ended_at: shownTime.nullable(),
  })
  .meta({ id: "Fill" });

type FillView = Shown<z.input<typeof fillShape>>;

export function fillView(shown: ShownFill): FillView {
  if (shown.kind === "live") {
    const { fill } = shown;
    return { ...factsView(fill), ...NO_ROW, state: fill.waiting ? "queued" : "running" };
  }
  const { entry, tally } = shown;
  return { ...factsView(entry), ...rowView(entry), ...queryView(entry, tally) };
}

/** What a fill that no row tells of has none of. */
const NO_ROW = {
  kind: "demand",
  cancelling: false,
  priority: 9,
  query: null,
  parts: null,
  parent: null,
  attempts: 1,
  error: null,
  asked_by: null,
  via: null,
  not_before: null,
  deadline: null,
  pin_for: null,
  next_attempt_at: null,
  created_at: null,
  ended_at: null,
} as const;

function factsView({ id, ref, type, name, source, origin, project, holder, ...fill }: FillFacts) {
  const { bytes: received, total, rate, followers, startedAt } = fill;
  return {
    id,
    project,
    artifact: ref === undefined ? null : { id: ref.artifactId, type, name },
    blob: ref === undefined ? null : ref.key === "" ? ref.field : `${ref.field}/${ref.key}`,
    source: source === "" ? null : source,
    origin: origin === "" ? null : origin,
    // The number of the start is nobody's business but the leases'.
    replica: holder?.split("#", 1)[0] ?? null,
    bytes: received,
    total: total ?? null,
    rate: Math.round(rate),
    followers,
    started_at: startedAt?.toISOString() ?? null,
  };
}

function rowView(entry: FillEntry) {
  const { kind, state, cancel, priority, parent, attempts, error, askedBy, via, pinFor } = entry;
  return {
    ...{ kind, state, priority, attempts },
    cancelling: state === "running" && cancel !== undefined,
    parent: parent ?? null,
    error: error ?? null,
    asked_by: askedBy === "" ? null : askedBy,
    via: kind === "demand" ? null : via,
    not_before: entry.notBefore?.toISOString() ?? null,
    deadline: entry.deadline?.toISOString() ?? null,
    pin_for: pinFor === undefined ? null : formatDuration(pinFor),
    next_attempt_at: state === "queued" ? entry.readyAt.toISOString() : null,
    created_at: entry.createdAt.toISOString(),
    ended_at: entry.endedAt?.toISOString() ?? null,
  };
}

function queryView({ query }: FillEntry, tally: Extract<ShownFill, { kind: "entry" }>["tally"]) {
  if (query === undefined) return { query: null, parts: null };
  const { artifacts, searched } = query;
  const none = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 };
  const asked = Object.entries(query.query).filter((field): field is [string, string] => field[1] !== undefined);
  return { query: Object.fromEntries(asked), parts: { artifacts, searched, ...(tally ?? none) } };
}
