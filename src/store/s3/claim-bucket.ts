import { CisternError } from "../../domain/errors.ts";
import { S3Failure, s3Unavailable } from "./failure.ts";
import { badSetting } from "./options.ts";
import { persist } from "./persist.ts";
import type { S3Store } from "./s3-store.ts";

const MARKER = "cistern.json";
const BODY_LIMIT = 64 * 1024;

export interface Claim {
  /** Writes over what another catalog has claimed: only for a catalog that was rebuilt from the bucket. */
  readonly takeOver: boolean;
}

/**
 * Ties the bucket to a catalog, by a marker beside the objects: two catalogs over one bucket would
 * remove each other's content. `invalid-config` when it belongs to another one.
 */
export async function claimBucket(
  store: S3Store,
  deploymentId: string,
  { takeOver }: Claim,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (takeOver) await writeMarker(store, deploymentId, {}, signal);
    else if ((await readMarker(store, signal)) === undefined) await writeFirst(store, deploymentId, signal);
    // Read back: of two that write at the same time one has lost, whatever the server thinks of conditions.
    const owner = await readMarker(store, signal);
    if (owner === deploymentId) return;
  } catch (error) {
    signal.throwIfAborted();
    throw s3Unavailable(error);
  }
  const help = "choose another CISTERN_S3_BUCKET, or run `cistern rebuild`";
  throw badSetting("BUCKET", `the bucket belongs to another catalog: ${help}`);
}

async function writeFirst(store: S3Store, deploymentId: string, signal: AbortSignal): Promise<void> {
  try {
    await writeMarker(store, deploymentId, { "if-none-match": "*" }, signal);
  } catch (error) {
    if (!(error instanceof S3Failure)) throw error;
    // Somebody was quicker: the marker tells who.
    if (error.status === 412 || error.status === 409) return;
    if (error.status !== 501) throw error;
    await writeMarker(store, deploymentId, {}, signal);
  }
}

async function writeMarker(
  store: S3Store,
  deploymentId: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const body = Buffer.from(`${JSON.stringify({ deploymentId })}\n`);
  await store.session.call(signal, async (client, bucketName) => {
    const all = { ...headers, "content-type": "application/json" };
    await client.makeRequestAsyncOmit({ method: "PUT", bucketName, objectName: MARKER, headers: all }, body);
  });
}

/** undefined: nobody has claimed the bucket. */
async function readMarker(store: S3Store, signal: AbortSignal): Promise<string | undefined> {
  let text = "";
  try {
    const read = async () => {
      text = "";
      await store.session.call(signal, async (client, bucket) => {
        const body = await client.getObject(bucket, MARKER);
        for await (const chunk of body.setEncoding("utf8")) {
          text += chunk;
          if (text.length > BODY_LIMIT) break;
        }
      });
    };
    await persist(read, 0, signal);
  } catch (error) {
    if (error instanceof S3Failure && error.s3Code === "NoSuchKey") return undefined;
    throw error;
  }
  return deploymentOf(text);
}

function deploymentOf(text: string): string {
  try {
    const marker: unknown = JSON.parse(text);
    if (typeof marker === "object" && marker !== null && "deploymentId" in marker) return String(marker.deploymentId);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new CisternError("invalid-config", `CISTERN_S3_BUCKET: its object ${MARKER} was not written by Cistern`);
}
