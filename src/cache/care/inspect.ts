import type { StoredObject } from "../../domain/content-store.ts";
import type { Sha256 } from "../../domain/digest.ts";
import type { Hasher } from "../../domain/hasher.ts";
import { digestObject } from "../digest-object.ts";
import type { Pace } from "./pace.ts";

/** What stored bytes are: as admitted; others; or not there, or of another size. */
export type Finding = "intact" | "damaged" | "missing";

export interface InspectPorts {
  readonly hasher: Hasher;
  readonly pace: Pace;
}

/** Reads an object and compares it with its name. `store-unavailable` when it cannot be read: that says nothing. */
async function inspect(
  open: () => Promise<StoredObject | undefined>,
  sha256: Sha256,
  { hasher, pace }: InspectPorts,
  signal: AbortSignal,
): Promise<Finding> {
  await using object = await open();
  if (object === undefined) return "missing";
  const found = await digestObject(pace.slowly(object, signal), hasher.start([]), () => undefined, signal);
  return found.sha256 === sha256 ? "intact" : "damaged";
}

/** As `inspect`; what looks wrong is read once more, for a read may go wrong, too. */
export async function inspectTwice(
  open: () => Promise<StoredObject | undefined>,
  sha256: Sha256,
  ports: InspectPorts,
  signal: AbortSignal,
): Promise<Finding> {
  const first = await inspect(open, sha256, ports, signal);
  return first === "intact" ? first : inspect(open, sha256, ports, signal);
}
