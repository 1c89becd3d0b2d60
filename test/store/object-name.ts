import { createHash } from "node:crypto";
import type { Fence, ObjectName } from "../../src/domain/content.ts";
import { sha256 } from "../../src/domain/digest.ts";

/** The name under which bytes belong. */
export function nameOf(bytes: Uint8Array, fence = 1): ObjectName {
  return { sha256: sha256(createHash("sha256").update(bytes).digest("hex")), fence: fence as Fence };
}
