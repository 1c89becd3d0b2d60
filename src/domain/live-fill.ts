import type { ArtifactId } from "./artifact.ts";
import type { FillFacts, FillId } from "./fill-entry.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

/** A fill that somebody reads, or has asked for in order to read it, as its process sees it. */
export interface LiveFill extends FillFacts {
  /** It has not begun: too many others fetch. */
  readonly waiting: boolean;
}

/** The fills of this process that have no row in the queue. */
export interface LiveFills {
  /** The oldest first. */
  list(): readonly LiveFill[];
  /** What this process fetches for a row of the queue, as it stands now; undefined: nothing. */
  progress(id: FillId): Pick<FillFacts, "bytes" | "total" | "rate" | "followers"> | undefined;
}

/** What a replica tells of a fill with its heartbeat. */
export function tellFill(fill: LiveFill): JsonObject {
  const { id, ref, type, name, source, origin, project, bytes, total, rate, followers, startedAt, waiting } = fill;
  return {
    ...{ id, type, name, source, origin, project, bytes, followers, waiting },
    artifact: ref?.artifactId ?? "",
    field: ref?.field ?? "",
    key: ref?.key ?? "",
    total: total ?? null,
    rate: Math.round(rate),
    started: startedAt?.getTime() ?? null,
  };
}

/** What another replica has told; undefined: another version's, which cannot be read. */
export function hearFill(told: JsonValue, holder: string): LiveFill | undefined {
  if (!isJsonObject(told)) return undefined;
  const text = (name: string) => (typeof told[name] === "string" ? told[name] : "");
  const number = (name: string) => (typeof told[name] === "number" ? told[name] : undefined);
  const started = number("started");
  if (text("id") === "" || text("artifact") === "") return undefined;
  return {
    id: text("id") as FillId,
    ref: { artifactId: text("artifact") as ArtifactId, field: text("field"), key: text("key") },
    type: text("type"),
    name: text("name"),
    source: text("source"),
    origin: text("origin"),
    project: text("project"),
    bytes: number("bytes") ?? 0,
    total: number("total"),
    rate: number("rate") ?? 0,
    followers: number("followers") ?? 0,
    holder,
    startedAt: started === undefined ? undefined : new Date(started),
    waiting: told.waiting === true,
  };
}
