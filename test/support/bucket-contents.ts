import { Client } from "minio";
import type { Cluster } from "./cluster.ts";

export interface BucketContents {
  readonly objects: readonly string[];
  /** Uploads of parts that nobody has completed. */
  readonly uploads: readonly string[];
}

/** What lies in a cluster's bucket, as another client of the S3 server sees it. */
export async function bucketContents({ s3, bucket }: Pick<Cluster, "s3" | "bucket">): Promise<BucketContents> {
  const { hostname, port, protocol } = new URL(s3.endpoint);
  const { accessKey, secretKey, region } = s3;
  const client = new Client({
    endPoint: hostname,
    port: Number(port),
    useSSL: protocol === "https:",
    accessKey,
    secretKey,
    region,
  });
  const objects: string[] = [];
  for await (const { name } of client.listObjectsV2(bucket, "sha256/", true)) objects.push(name);
  const uploads: string[] = [];
  for await (const { key } of client.listIncompleteUploads(bucket, "sha256/", true)) uploads.push(key);
  return { objects, uploads };
}
