import type { BlobRef } from "../domain/blob.ts";
import type { Catalog } from "./catalog.ts";
import { artifactId } from "./row-ids.ts";

/** Postgres plans a prepared statement anew for so many runs before it settles on one plan. */
const PLANNED_ANEW = 5;
const NOBODY: BlobRef = { artifactId: artifactId("00000000-0000-0000-0000-000000000000"), field: "image", key: "" };
const KEY = "warm-up";
const TERM_MS = 1_000;

/** Runs what a cold read waits for once at the start, so that the first ones do not pay for it. */
export async function warmUp({ blobs, leases }: Pick<Catalog, "blobs" | "leases">): Promise<void> {
  for (let run = 0; run <= PLANNED_ANEW; run += 1) await blobs.resolve(NOBODY);
  const answer = await leases.take(KEY, KEY, TERM_MS);
  if (answer.kind === "taken") await leases.release(answer.lease);
}
