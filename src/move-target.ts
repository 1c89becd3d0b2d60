import type { Catalog } from "./catalog/catalog.ts";
import { stateOf } from "./catalog/move-records.ts";
import type { Session } from "./catalog/session.ts";
import type { ContentStore } from "./domain/content-store.ts";
import { CisternError } from "./domain/errors.ts";
import { type BucketMarker, readMarker, writeMarker } from "./store/s3/bucket-marker.ts";
import { s3Unavailable } from "./store/s3/failure.ts";
import type { S3Store } from "./store/s3/s3-store.ts";

/** A replica that was heard of within this time runs. */
const ALIVE_MS = 60_000;

export interface MoveTarget {
  readonly catalog: Catalog;
  readonly session: Session;
  readonly bucket: S3Store;
}

/**
 * Makes sure that database and bucket are empty, or hold nothing but what an earlier run has moved
 * from the same catalog and nobody has used since; `conflict` otherwise.
 *
 * @param source the deployment that moves
 */
export async function requireTarget(target: MoveTarget, source: string, signal: AbortSignal): Promise<void> {
  await requireStopped(target.catalog, "stop them until the move is done");
  const [own, marker] = [await target.catalog.deploymentId(), await markerOf(target.bucket, signal)];
  const { holds, started } = await stateOf(target.session);
  const move = marker?.move?.from === source ? marker.move : undefined;
  if (marker !== undefined && marker.deploymentId !== own) {
    // The database was made anew since: the objects are still those of this move.
    if (move?.done === false && !holds) return;
    throw conflict("the bucket belongs to another catalog: choose another CISTERN_S3_BUCKET");
  }
  if (marker?.move !== undefined && move === undefined) {
    throw conflict("something else was moved there: choose another database and another bucket");
  }
  if (move?.done === true && started) {
    throw conflict("it was moved there already, and replicas have been started since: nothing was changed");
  }
  if (move !== undefined) return;
  if (holds) throw conflict("the database of DATABASE_URL holds records already: give it an empty one");
  if (await hasObjects(target.bucket, signal)) {
    throw conflict("the bucket holds content already: choose an empty CISTERN_S3_BUCKET");
  }
}

/** `conflict` while replicas run on the catalog. */
export async function requireStopped({ replicas }: Pick<Catalog, "replicas">, what: string): Promise<void> {
  const alive = await replicas.alive(ALIVE_MS);
  if (alive.length === 0) return;
  const places = alive.map(({ holder }) => holder.replace(/#.*$/, "")).join(", ");
  throw conflict(`replicas run there, or did a minute ago (${places}): ${what}`);
}

/** Says in the bucket how far the move is: until it is done, no replica starts there. */
export async function markMove(target: MoveTarget, from: string, done: boolean, signal: AbortSignal): Promise<void> {
  const deploymentId = await target.catalog.deploymentId();
  try {
    await writeMarker(target.bucket, { deploymentId, move: { from, done } }, {}, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw s3Unavailable(error);
  }
}

export async function markerOf(bucket: S3Store, signal: AbortSignal): Promise<BucketMarker | undefined> {
  try {
    return await readMarker(bucket, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw s3Unavailable(error);
  }
}

async function hasObjects(store: Pick<ContentStore, "list">, signal: AbortSignal): Promise<boolean> {
  for await (const _ of store.list(signal)) return true;
  return false;
}

export function conflict(message: string): CisternError {
  return new CisternError("conflict", message);
}
