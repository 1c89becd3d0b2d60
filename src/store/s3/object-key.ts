import type { Fence, ObjectName } from "../../domain/content.ts";
import { sha256 } from "../../domain/digest.ts";

/** Everything of ours but the marker lies under it. */
export const OBJECTS = "sha256/";

const KEY = /^sha256\/([0-9a-f]{2})\/([0-9a-f]{2})\/([0-9a-f]{64})\/(0|[1-9]\d{0,15})$/;

/** `sha256/ab/cd/<hex>/<fence>`. */
export function keyOf({ sha256, fence }: ObjectName): string {
  return `${OBJECTS}${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}/${fence}`;
}

/** undefined: a key that is not one of ours. */
export function nameOfKey(key: string): ObjectName | undefined {
  const [, first, second, hex, digits] = KEY.exec(key) ?? [];
  if (hex === undefined || !hex.startsWith(`${first}${second}`)) return undefined;
  const fence = Number(digits);
  return Number.isSafeInteger(fence) ? { sha256: sha256(hex), fence: fence as Fence } : undefined;
}
