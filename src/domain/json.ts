/** A JSON value. Objects that were cloned here have no prototype, so that no member name is special. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonValue[]
  | {
      [name: string]: JsonValue;
    };

export type JsonObject = Extract<JsonValue, { [name: string]: JsonValue }>;

export function isJsonObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A deep copy; what JSON cannot say becomes null. */
export function cloneJson(value: unknown): JsonValue {
  if (Array.isArray(value)) return value.map(cloneJson);
  if (typeof value === "object" && value !== null) {
    const copy: JsonObject = Object.create(null);
    for (const [name, member] of Object.entries(value)) copy[name] = cloneJson(member);
    return copy;
  }
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}

/** Equality as RFC 6902 §4.6 has it: members in any order. */
export function equalJson(a: JsonValue, b: JsonValue): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => equalJson(item, b[index] ?? null));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && equalJson(a[name] ?? null, b[name] ?? null))
  );
}

/** How many values it is made of. */
export function sizeOfJson(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 1;
  let size = 1;
  for (const member of Object.values(value)) size += sizeOfJson(member);
  return size;
}
