import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { type CisternOptions, type CisternProcess, startCistern } from "./cistern-process.ts";
import { freePort } from "./free-port.ts";
import { startPostgres, type TestPostgres } from "./postgres.ts";
import { type S3Server, startMinio } from "./s3-servers.ts";

/** Replicas as real processes over one Postgres and one S3 server. */
export interface Cluster extends AsyncDisposable {
  readonly postgres: TestPostgres;
  readonly s3: S3Server;
  readonly bucket: string;
  readonly adminToken: string;
  /** The processes that run, by their number. */
  readonly replicas: readonly CisternProcess[];
  /** Settings of a replica, for programs that work on the same catalog and bucket. */
  env(replica: number): Readonly<Record<string, string>>;
  /** Starts a replica anew at its address, over its data directory. */
  restart(replica: number, extra?: Readonly<Record<string, string>>): Promise<CisternProcess>;
}

export interface ClusterOptions {
  readonly replicas?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly startS3?: () => Promise<S3Server>;
  readonly nodeArguments?: readonly string[];
  /** Settings of one replica alone, over the common ones. */
  readonly envOf?: (replica: number) => Readonly<Record<string, string>>;
  /** Where a replica keeps its files, when that is not just anywhere. */
  readonly dataDirs?: readonly (string | undefined)[];
}

interface Place {
  readonly listen: string;
  readonly dataDir: string;
}

/** Starts Postgres, MinIO and replicas. Everything ends with its disposal. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  await using building = new AsyncDisposableStack();
  const directory = building.use(await temporaryDirectory());
  const postgres = building.use(await startPostgres());
  const s3 = building.use(await (options.startS3 ?? startMinio)());
  const url = await postgres.createDatabase();
  const bucket = `cistern-${randomUUID()}`;
  const adminToken = `cst_${randomBytes(24).toString("hex")}`;
  const places: Place[] = [];
  for (let number = 0; number < (options.replicas ?? 3); number += 1) {
    const dataDir = options.dataDirs?.[number] ?? join(directory.path, `replica-${number}`);
    places.push({ listen: `127.0.0.1:${await freePort()}`, dataDir });
  }
  const shared = {
    ...sharedSettings(url, s3, bucket),
    CISTERN_ADMIN_TOKEN: adminToken,
    CISTERN_CLUSTER_SECRET: randomBytes(32).toString("hex"),
    CISTERN_LOG_LEVEL: "info",
    CISTERN_MAX_CONNECTIONS_PER_CLIENT: "4096",
    ...options.env,
  };
  const env = (replica: number) => {
    const { listen } = placeOf(places, replica);
    return {
      ...shared,
      CISTERN_LISTEN: listen,
      CISTERN_REPLICA_URL: `http://${listen}`,
      ...options.envOf?.(replica),
    };
  };
  const start = (replica: number, extra: Readonly<Record<string, string>> = {}): Promise<CisternProcess> => {
    const { dataDir } = placeOf(places, replica);
    const nodeArguments = options.nodeArguments === undefined ? {} : { nodeArguments: options.nodeArguments };
    const settings: CisternOptions = { dataDir, env: { ...env(replica), ...extra }, ...nodeArguments };
    return startCistern(settings);
  };
  const replicas = await Promise.all(places.map((_, number) => start(number)));
  building.defer(async () => {
    await Promise.all(replicas.map((replica) => replica[Symbol.asyncDispose]()));
  });
  const stack = building.move();
  return {
    postgres,
    s3,
    bucket,
    adminToken,
    replicas,
    env,
    async restart(number, extra) {
      const replica = await start(number, extra);
      replicas[number] = replica;
      return replica;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function sharedSettings(url: string, s3: S3Server, bucket: string): Record<string, string> {
  return {
    DATABASE_URL: url,
    CISTERN_S3_ENDPOINT: s3.endpoint,
    CISTERN_S3_BUCKET: bucket,
    CISTERN_S3_ACCESS_KEY: s3.accessKey,
    CISTERN_S3_SECRET_KEY: s3.secretKey,
    CISTERN_S3_REGION: s3.region,
    ...(s3.caFile === undefined ? {} : { CISTERN_S3_CA: s3.caFile }),
  };
}

function placeOf(places: readonly Place[], replica: number): Place {
  const place = places[replica];
  if (place === undefined) throw new Error(`there is no replica ${replica}`);
  return place;
}
