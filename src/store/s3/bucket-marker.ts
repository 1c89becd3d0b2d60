import { CisternError } from "../../domain/errors.ts";
import { S3Failure } from "./failure.ts";
import { persist } from "./persist.ts";
import type { S3Store } from "./s3-store.ts";

const MARKER = "cistern.json";
const BODY_LIMIT = 64 * 1024;

/** What lies beside the objects and says whose they are. */
export interface BucketMarker {
  /** Of the catalog that names them. */
  readonly deploymentId: string;
  /** Set: they were brought here from an embedded catalog, or are being brought. */
  readonly move?: Move;
}

export interface Move {
  /** The embedded catalog's deployment. */
  readonly from: string;
  /** False: on the way, and no process is to use the bucket. */
  readonly done: boolean;
}

/** undefined: nobody has claimed the bucket. Rejects with what the server or the connection says. */
export async function readMarker(store: S3Store, signal: AbortSignal): Promise<BucketMarker | undefined> {
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
  return parse(text);
}

/** @param headers of the request: conditions under which it is written */
export async function writeMarker(
  store: S3Store,
  marker: BucketMarker,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const body = Buffer.from(`${JSON.stringify(marker)}\n`);
  await store.session.call(signal, async (client, bucketName) => {
    const all = { ...headers, "content-type": "application/json" };
    await client.makeRequestAsyncOmit({ method: "PUT", bucketName, objectName: MARKER, headers: all }, body);
  });
}

function parse(text: string): BucketMarker {
  const value = parseJson(text);
  if (isRecord(value) && typeof value.deploymentId === "string") {
    const { deploymentId, move } = value;
    if (move === undefined) return { deploymentId };
    if (isRecord(move) && typeof move.from === "string" && typeof move.done === "boolean") {
      return { deploymentId, move: { from: move.from, done: move.done } };
    }
  }
  throw new CisternError("invalid-config", `CISTERN_S3_BUCKET: its object ${MARKER} was not written by Cistern`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
