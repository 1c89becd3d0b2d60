import { invalid } from "./errors.ts";
import { isJsonObject, type JsonValue } from "./json.ts";

const MAX_LENGTH = 1024;
const MAX_TOKENS = 32;
const MISSING = "does not exist";
// RFC 6901 §4: no leading zeros.
const INDEX = /^(0|[1-9]\d{0,8})$/;

/** The tokens of a JSON pointer (RFC 6901); `field` names it in errors. */
export function parsePointer(text: string, field: string): readonly string[] {
  if (text.length > MAX_LENGTH) throw invalid(field, `must be at most ${MAX_LENGTH} characters`);
  if (text === "") return [];
  if (!text.startsWith("/")) throw invalid(field, "must begin with a slash (RFC 6901)");
  if (/~(?![01])/.test(text)) throw invalid(field, "must have ~0 or ~1 for each ~ (RFC 6901)");
  const tokens = text.slice(1).split("/");
  if (tokens.length > MAX_TOKENS) throw invalid(field, `must have at most ${MAX_TOKENS} parts`);
  return tokens.map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The value there; `invalid-input` when there is none. */
export function readAt(document: JsonValue, path: readonly string[], field: string): JsonValue {
  let value = document;
  for (const token of path) {
    const next = memberOf(value, token);
    if (next === undefined) throw invalid(field, MISSING);
    value = next;
  }
  return value;
}

/** Adds in place, or replaces the whole. RFC 6902 §4.1. */
export function addAt(document: JsonValue, path: readonly string[], value: JsonValue, field: string): JsonValue {
  const token = path.at(-1);
  if (token === undefined) return value;
  const parent = readAt(document, path.slice(0, -1), field);
  if (Array.isArray(parent)) {
    const index = token === "-" ? parent.length : indexOf(token);
    if (index === undefined || index > parent.length) throw invalid(field, "must name a place in the list");
    parent.splice(index, 0, value);
  } else if (isJsonObject(parent)) {
    parent[token] = value;
  } else {
    throw invalid(field, MISSING);
  }
  return document;
}

/** Replaces in place what is there. RFC 6902 §4.3. */
export function replaceAt(document: JsonValue, path: readonly string[], value: JsonValue, field: string): JsonValue {
  const token = path.at(-1);
  if (token === undefined) return value;
  const parent = readAt(document, path.slice(0, -1), field);
  if (memberOf(parent, token) === undefined) throw invalid(field, MISSING);
  if (Array.isArray(parent)) parent[Number(token)] = value;
  else if (isJsonObject(parent)) parent[token] = value;
  return document;
}

/** Removes in place what is there. RFC 6902 §4.2. */
export function removeAt(document: JsonValue, path: readonly string[], field: string): JsonValue {
  const token = path.at(-1);
  if (token === undefined) throw invalid(field, "must not be the whole document");
  const parent = readAt(document, path.slice(0, -1), field);
  if (memberOf(parent, token) === undefined) throw invalid(field, MISSING);
  if (Array.isArray(parent)) parent.splice(Number(token), 1);
  else if (isJsonObject(parent)) delete parent[token];
  return document;
}

function memberOf(value: JsonValue, token: string): JsonValue | undefined {
  if (Array.isArray(value)) {
    const index = indexOf(token);
    return index === undefined ? undefined : value[index];
  }
  return isJsonObject(value) && Object.hasOwn(value, token) ? value[token] : undefined;
}

function indexOf(token: string): number | undefined {
  return INDEX.test(token) ? Number(token) : undefined;
}
