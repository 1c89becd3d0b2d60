import type { ArtifactId } from "../../domain/artifact.ts";
import { CONTENT_STATES, type ContentFilter } from "../../domain/content-inventory.ts";
import type { JsonObject } from "../../domain/json.ts";
import { textIn } from "./progress.ts";

/** A filter as a task keeps it. */
export function filterAsJson(filter: ContentFilter): JsonObject {
  const json: JsonObject = {};
  for (const [name, value] of Object.entries(filter)) {
    if (value !== undefined) json[name] = value instanceof Date ? value.toISOString() : value;
  }
  return json;
}

/** The filter of a task's query. */
export function filterFrom(json: JsonObject): ContentFilter {
  const flag = (name: string) => (typeof json[name] === "boolean" ? json[name] : undefined);
  const number = (name: string) => (typeof json[name] === "number" ? json[name] : undefined);
  const date = (name: string) => {
    const text = textIn(json, name);
    return text === undefined ? undefined : new Date(text);
  };
  const artifact = textIn(json, "artifact");
  return {
    state: CONTENT_STATES.find((state) => state === json.state),
    pinned: flag("pinned"),
    blocked: flag("blocked"),
    irreplaceable: flag("irreplaceable"),
    internal: flag("internal"),
    project: textIn(json, "project"),
    origin: textIn(json, "origin"),
    minSize: number("minSize"),
    maxSize: number("maxSize"),
    readBefore: date("readBefore"),
    readAfter: date("readAfter"),
    artifact: artifact === undefined ? undefined : (artifact as ArtifactId),
  };
}
