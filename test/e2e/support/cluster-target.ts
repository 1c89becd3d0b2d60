import { randomUUID } from "node:crypto";
import { type Catalog, openCatalog } from "../../../src/catalog/open-catalog.ts";
import { loadClusterPlace } from "../../../src/config/place.ts";
import type { ArtifactId } from "../../../src/domain/artifact.ts";
import { openS3Store } from "../../../src/store/s3/open-s3-store.ts";
import type { S3Store } from "../../../src/store/s3/s3-store.ts";
import { digestOf } from "../../support/fault-origin.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import type { S3Server } from "../../support/s3-servers.ts";

const never = new AbortController().signal;

export type TargetEnvironment = Readonly<Record<string, string>>;

/** An empty database and a bucket that is not there yet, as an operator names them. */
export async function newTarget(postgres: TestPostgres, s3: S3Server): Promise<TargetEnvironment> {
  return {
    DATABASE_URL: await postgres.createDatabase(),
    CISTERN_S3_ENDPOINT: s3.endpoint,
    CISTERN_S3_BUCKET: `test-${randomUUID()}`,
    CISTERN_S3_ACCESS_KEY: s3.accessKey,
    CISTERN_S3_SECRET_KEY: s3.secretKey,
    CISTERN_S3_REGION: s3.region,
  };
}

/** What a replica needs besides. */
export function replicaOf(target: TargetEnvironment, adminToken: string, listen: string): TargetEnvironment {
  return {
    ...target,
    CISTERN_LISTEN: listen,
    CISTERN_ADMIN_TOKEN: adminToken,
    CISTERN_REPLICA_URL: `http://${listen}`,
    CISTERN_CLUSTER_SECRET: "0123456789abcdef0123456789abcdef",
    CISTERN_LOG_LEVEL: "warn",
  };
}

export interface OpenTarget {
  readonly catalog: Catalog;
  readonly bucket: S3Store;
}

/** Database and bucket through the ports, as a replica reads them. */
export async function openTarget(target: TargetEnvironment, stack: AsyncDisposableStack): Promise<OpenTarget> {
  const { database, s3 } = loadClusterPlace(target);
  const catalog = stack.use(await openCatalog(database));
  return { catalog, bucket: stack.use(await openS3Store(s3, never)) };
}

/** SHA-256 of the bytes of a blob; undefined: it has no content. */
export async function readBack({ catalog, bucket }: OpenTarget, path: string): Promise<string | undefined> {
  const [, , , id = "", field = "", key = ""] = path.split("/");
  const resolved = await catalog.blobs.resolve({ artifactId: id as ArtifactId, field, key });
  if (resolved?.content === undefined) return undefined;
  const { object, size } = resolved.content;
  await using opened = await bucket.open(object, size);
  if (opened === undefined) throw new Error(`the row of ${path} names what is not there`);
  const bytes = Buffer.alloc(size);
  if ((await opened.read(bytes, 0)) !== size) throw new Error("fewer bytes than recorded");
  return digestOf(bytes);
}

export async function objectsOf(bucket: S3Store): Promise<string[]> {
  const names: string[] = [];
  for await (const { sha256, fence } of bucket.list(never)) names.push(`${sha256}/${fence}`);
  return names.sort();
}
