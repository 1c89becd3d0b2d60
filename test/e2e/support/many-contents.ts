import { createHash, randomBytes } from "node:crypto";
import type { Cluster } from "../../support/cluster.ts";
import type { FaultOrigin } from "../../support/fault-origin.ts";
import { ask } from "../../support/http-client.ts";
import { registerImage } from "../../support/register-image.ts";

/** An image of a cluster, and what it must be. */
export interface KnownImage {
  readonly bytes: Buffer;
  readonly sha256: string;
  /** Path of the bytes, at any replica. */
  readonly path: string;
}

/** Registers images and reads each at every replica, so that the store and every hot tier have it. */
export async function cacheImages(
  cluster: Cluster,
  origin: FaultOrigin,
  sizes: readonly number[],
): Promise<KnownImage[]> {
  const images: KnownImage[] = [];
  const registrar = { url: cluster.replicas[0]?.url ?? "", adminToken: cluster.adminToken };
  const one = async (size: number, number: number) => {
    const bytes = randomBytes(size);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const place = `/many-${number}`;
    origin.serve(place, bytes);
    const { url } = await registerImage(registrar, `many-${number}`, { url: origin.url(place), sha256 });
    const image = { bytes, sha256, path: new URL(url).pathname };
    for (const { url: replica } of cluster.replicas) {
      const answer = await read(cluster, replica, image.path);
      if (!answer.body.equals(bytes)) throw new Error(`image ${number} at ${replica}: ${answer.status}`);
    }
    images[number] = image;
  };
  const entries = [...sizes.entries()];
  const worker = async () => {
    for (let next = entries.shift(); next !== undefined; next = entries.shift()) await one(next[1], next[0]);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return images;
}

export function read(cluster: Cluster, replica: string, path: string, headers: Readonly<Record<string, string>> = {}) {
  return ask(`${replica}${path}`, { headers: { "X-Auth-Token": cluster.adminToken, ...headers } });
}

/** One call of the operators' API. */
export async function admin(cluster: Cluster, replica: number, method: string, path: string, body?: unknown) {
  const response = await fetch(`${cluster.replicas[replica]?.url}${path}`, {
    method,
    headers: {
      "X-Auth-Token": cluster.adminToken,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
}
