import type { FillEntry, FillFacts, FillId, NewFill } from "../domain/fill-entry.ts";
import type { fills } from "./fill-schema.ts";
import { artifactId } from "./row-ids.ts";

type FillRow = typeof fills.$inferSelect;
type NewFillRow = typeof fills.$inferInsert;

// What comes from a row is an id: the row was written with one.
export function fillId(text: string): FillId {
  return text as FillId;
}

export function fillOf(row: FillRow): FillEntry {
  const { kind, state, priority, type, name, source, origin, project, askedBy, via, attempts } = row;
  const { bytes, rate, followers, readyAt, createdAt } = row;
  const ref = kind === "query" ? undefined : { artifactId: artifactId(row.artifactId), field: row.field, key: row.key };
  return {
    ...{ id: fillId(row.id), kind, state, priority, ref, type, name, source, origin, project, askedBy, via, attempts },
    ...{ bytes, rate, followers, readyAt, createdAt },
    parent: row.parent === null ? undefined : fillId(row.parent),
    query: row.query ?? undefined,
    notBefore: row.notBefore ?? undefined,
    deadline: row.deadline ?? undefined,
    pinFor: row.pinFor ?? undefined,
    total: row.total ?? undefined,
    holder: row.holder ?? undefined,
    cancel: row.cancel ?? undefined,
    error: row.errorCode === null ? undefined : { code: row.errorCode, message: row.errorMessage ?? "" },
    startedAt: row.startedAt ?? undefined,
    endedAt: row.endedAt ?? undefined,
  };
}

export function newRow(fill: NewFill): NewFillRow {
  const { id, kind, priority, type, name, source, origin, project, askedBy, via } = fill;
  return {
    ...{ id, kind, priority, type, name, source, origin, project, askedBy, via },
    ...placeOf(fill),
    state: "queued",
    parent: fill.parent ?? null,
    query: fill.query ?? null,
    notBefore: fill.notBefore ?? null,
    deadline: fill.deadline ?? null,
    pinFor: fill.pinFor ?? null,
    // What is to wait for nothing is ready by the database's clock.
    ...(fill.notBefore === undefined ? {} : { readyAt: fill.notBefore }),
  };
}

/** A fill of demand as a row: what a replica tells of it. */
export function demandRow(fill: FillFacts): NewFillRow {
  const { id, type, name, source, origin, project, bytes, followers } = fill;
  return {
    ...{ id, type, name, source, origin, project, bytes, followers, ...placeOf(fill) },
    kind: "demand",
    state: "running",
    priority: 9,
    askedBy: "",
    via: "request",
    holder: fill.holder ?? null,
    rate: Math.round(fill.rate),
    total: fill.total ?? null,
    startedAt: fill.startedAt ?? null,
  };
}

function placeOf({ ref }: Pick<NewFill, "ref">): { artifactId: string; field: string; key: string } {
  return { artifactId: ref?.artifactId ?? "", field: ref?.field ?? "", key: ref?.key ?? "" };
}
