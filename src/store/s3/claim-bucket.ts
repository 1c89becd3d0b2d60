import { type BucketMarker, readMarker, writeMarker } from "./bucket-marker.ts";
import { S3Failure, s3Unavailable } from "./failure.ts";
import { badSetting } from "./options.ts";
import type { S3Store } from "./s3-store.ts";

export interface Claim {
  /** Writes over what another catalog has claimed: only for a catalog that was rebuilt from the bucket. */
  readonly takeOver: boolean;
}

/**
 * Ties the bucket to a catalog, by a marker beside the objects: two catalogs over one bucket would
 * remove each other's content. `invalid-config` when it belongs to another one, or content is only
 * being moved into it.
 */
export async function claimBucket(
  store: S3Store,
  deploymentId: string,
  { takeOver }: Claim,
  signal: AbortSignal,
): Promise<void> {
  let marker: BucketMarker | undefined;
  try {
    if (takeOver) await writeMarker(store, { deploymentId }, {}, signal);
    else if ((await readMarker(store, signal)) === undefined) await writeFirst(store, deploymentId, signal);
    // Read back: of two that write at the same time one has lost, whatever the server thinks of conditions.
    marker = await readMarker(store, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw s3Unavailable(error);
  }
  if (marker?.move?.done === false) {
    throw badSetting("BUCKET", "moving into the bucket has not come to its end: run `cistern migrate-to` again");
  }
  if (marker?.deploymentId === deploymentId) return;
  const help = "choose another CISTERN_S3_BUCKET, or run `cistern rebuild`";
  throw badSetting("BUCKET", `the bucket belongs to another catalog: ${help}`);
}

async function writeFirst(store: S3Store, deploymentId: string, signal: AbortSignal): Promise<void> {
  try {
    await writeMarker(store, { deploymentId }, { "if-none-match": "*" }, signal);
  } catch (error) {
    if (!(error instanceof S3Failure)) throw error;
    // Somebody was quicker: the marker tells who.
    if (error.status === 412 || error.status === 409) return;
    if (error.status !== 501) throw error;
    await writeMarker(store, { deploymentId }, {}, signal);
  }
}
