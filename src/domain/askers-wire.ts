import type { BlobId } from "./blob.ts";
import { cloneJson, isJsonObject, type JsonValue } from "./json.ts";
import { ROLES } from "./principal.ts";
import type { RecentAsker } from "./recent-asker.ts";

/** How a replica is asked who has asked it, and how it answers: both ends read and write it here. */
export const ASKERS_PATH = "/internal/askers";

/** Clients in one answer. */
export const MAX_ASKERS = 4_096;
/** Bytes of one answer: so many clients, each with the longest name that a project can have. */
export const MAX_ASKERS_BYTES = 8 * 1024 * 1024;

const ID = /^[\w-]{1,64}$/;

/** Path and query of a request; the holder keeps others from using what is signed for it. */
export function askersTarget(holder: string): string {
  return `${ASKERS_PATH}?${new URLSearchParams({ holder })}`;
}

export function writeAskers(askers: readonly RecentAsker[]): string {
  return JSON.stringify({
    askers: askers.map(({ principal: { tokenId, project, roles, address }, blob, age }) => {
      return { token: tokenId, project, roles, address, blob, age };
    }),
  });
}

/** undefined: not what a replica writes. */
export function readAskers(text: string): readonly RecentAsker[] | undefined {
  const told = parsed(text);
  const listed = told !== undefined && isJsonObject(told) ? told.askers : undefined;
  if (!Array.isArray(listed) || listed.length > MAX_ASKERS) return undefined;
  const askers = listed.flatMap((one) => readAsker(one) ?? []);
  return askers.length === listed.length ? askers : undefined;
}

function readAsker(told: JsonValue): RecentAsker | undefined {
  if (!isJsonObject(told)) return undefined;
  const { token, project, roles, address, blob, age } = told;
  if (typeof token !== "string" || typeof project !== "string" || typeof address !== "string") return undefined;
  if (typeof blob !== "string" || !ID.test(blob) || typeof age !== "number" || !Array.isArray(roles)) return undefined;
  // Another version may have roles that no rule here can name.
  const known = ROLES.filter((role) => roles.includes(role));
  return { principal: { tokenId: token, project, roles: known, address }, blob: blob as BlobId, age };
}

function parsed(text: string): JsonValue | undefined {
  try {
    return cloneJson(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
