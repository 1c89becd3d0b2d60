import type { JsonObject, JsonValue } from "../../domain/json.ts";

/** A count that a task's progress or query has; 0 when it has none. */
export function countIn(json: JsonObject, name: string): number {
  const value = json[name];
  return typeof value === "number" ? value : 0;
}

/** A text that it has; undefined when it has none. */
export function textIn(json: JsonObject, name: string): string | undefined {
  const value = json[name];
  return typeof value === "string" ? value : undefined;
}

export function flagIn(json: JsonObject, name: string): boolean {
  return json[name] === true;
}

export function listIn(json: JsonObject, name: string): readonly JsonValue[] {
  const value = json[name];
  return Array.isArray(value) ? value : [];
}
