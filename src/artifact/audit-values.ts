import type { JsonValue } from "../domain/json.ts";
import { maskUrls } from "../domain/mask-urls.ts";

/** JSON of one state; a longer one is left out, and the entry says so. */
const MAX_STATE = 64 * 1024;
const MAX_TEXT = 8_192;
const MAX_DEPTH = 32;

/** A state as the audit keeps it: URLs masked, and only what the catalog can hold. */
export function auditState(value: unknown): JsonValue | undefined {
  if (value === undefined) return undefined;
  const clean = cleaned(value, 0);
  const { length } = JSON.stringify(clean);
  return length <= MAX_STATE ? clean : { omitted_characters: length };
}

/** A name, an action, an address: as `auditState`, and not endless. */
export function auditText(text: string): string {
  return shown(text).slice(0, MAX_TEXT).toWellFormed();
}

function cleaned(value: unknown, depth: number): JsonValue {
  if (typeof value === "string") return shown(value);
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== "object" || value === null || depth > MAX_DEPTH) return null;
  if (Array.isArray(value)) return value.map((one) => cleaned(one, depth + 1));
  // Defined, not assigned: no name is special.
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [shown(name), cleaned(member, depth + 1)]));
}

/** Without secrets; Postgres holds neither NUL nor half a surrogate pair. */
function shown(text: string): string {
  return maskUrls(text).replaceAll("\u0000", "\ufffd").toWellFormed();
}

type State = Readonly<Record<string, unknown>>;

/** Of two states, the members that differ. */
export function difference(before: State, after: State): { readonly before: State; readonly after: State } {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  const only = (state: State): State =>
    Object.fromEntries(changed.flatMap((name) => (state[name] === undefined ? [] : [[name, state[name]]])));
  return { before: only(before), after: only(after) };
}
