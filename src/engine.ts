import { randomUUID } from "node:crypto";
import { lookup } from "node:dns/promises";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { OpenObjects } from "./cache/open-objects.ts";
import { type Catalog, openCatalog } from "./catalog/open-catalog.ts";
import type { ClusterConfig, Config } from "./config/config.ts";
import type { ContentStore } from "./domain/content-store.ts";
import { CisternError } from "./domain/errors.ts";
import type { HotTier } from "./domain/hot-tier.ts";
import type { Spool } from "./domain/spool.ts";
import type { LimitedTier, NeedyTier, SpareTier } from "./domain/tier.ts";
import { lockDataDir } from "./store/data-lock.ts";
import { openFilesystemStore } from "./store/filesystem-store.ts";
import { WorkerHasher } from "./store/hasher/worker-hasher.ts";
import { openHotTier } from "./store/hot-tier.ts";
import { claimBucket } from "./store/s3/claim-bucket.ts";
import { openS3Store } from "./store/s3/open-s3-store.ts";
import { openSpool } from "./store/spool/open-spool.ts";

/** A place that is not to be an origin (I8). */
interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What lies below the read and the write path: where records and bytes are. */
export interface Engine {
  readonly catalog: Catalog;
  readonly store: ContentStore;
  /** Local files in front of the store; undefined: the store is local itself. */
  readonly hot: (HotTier & LimitedTier & SpareTier) | undefined;
  readonly spool: Spool & LimitedTier & NeedyTier;
  readonly hasher: WorkerHasher;
  /** Objects of the store that readers of this process have open. */
  readonly open: OpenObjects;
  /** Names this process as the holder of leases, and no process before it. */
  readonly holder: string;
  /** Other processes write catalog and store as well. */
  readonly shared: boolean;
  /** Names the deployment in `CDN-Loop`: a URL that leads back to any of its processes is noticed. */
  readonly deploymentId: string;
  /** Where catalog and store are, and this replica: never origins. */
  readonly inside: readonly Endpoint[];
}

/** What an earlier process left half fetched is kept for its next reader so long. */
const KEEP_REMAINS_MS = 7 * 24 * 3600 * 1000;

/** Opens everything below; the stack closes it. `invalid-config`, `data-dir-locked` when that cannot be. */
export async function openEngine(config: Config, stack: AsyncDisposableStack): Promise<Engine> {
  const { dataDir, limits } = config;
  if (config.kind === "cluster" && existsSync(join(dataDir, "catalog"))) throw embeddedDirectory();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  stack.use(lockDataDir(dataDir));
  const spool = await openSpool(join(dataDir, "spool"), limits.spoolBytes);
  await spool.sweep(new Date(Date.now() - KEEP_REMAINS_MS));
  const above = config.kind === "cluster" ? await openCluster(config, stack) : await openEmbedded(config, stack);
  const hasher = stack.use(new WorkerHasher());
  return { ...above, spool, hasher };
}

/** A replica would sweep its spool, and two servers would seem to be one. */
function embeddedDirectory(): CisternError {
  const rule = "holds an embedded server's catalog: give the replica a directory of its own";
  const fields = [{ field: "CISTERN_DATA_DIR", rule }];
  return new CisternError("invalid-config", `CISTERN_DATA_DIR ${rule}`, { fields });
}

/** Catalog and store may be starting as well. */
const START_MS = 120_000;

type Below = Omit<Engine, "spool" | "hasher">;

/** Everything in the data directory, which this process holds alone. */
async function openEmbedded({ dataDir }: Config, stack: AsyncDisposableStack): Promise<Below> {
  const holder = "embedded";
  const store = await openFilesystemStore(join(dataDir, "store"));
  const catalog = stack.use(await openCatalog({ directory: join(dataDir, "catalog") }));
  // Whoever held leases here is dead: the lock says so.
  await catalog.leases.releaseAll(holder);
  await catalog.space.releaseAll(holder);
  const deploymentId = await catalog.deploymentId();
  const open = new OpenObjects();
  const counted = open.counting(store);
  return { catalog, store: counted, hot: undefined, open, holder, shared: false, deploymentId, inside: [] };
}

/** Records in Postgres and bytes in a bucket, shared with the other replicas. */
async function openCluster(config: ClusterConfig, stack: AsyncDisposableStack): Promise<Below> {
  const { database, s3, replica, dataDir, limits } = config;
  const catalog = stack.use(await openCatalog(database));
  const deploymentId = await catalog.deploymentId();
  const signal = AbortSignal.timeout(START_MS);
  const bucket = stack.use(await openS3Store(s3, signal));
  await claimBucket(bucket, deploymentId, { takeOver: false }, signal);
  const hot = await openHotTier(join(dataDir, "hot"), limits.hotBytes);
  const open = new OpenObjects();
  const holder = `${replica.url}#${randomUUID()}`;
  const inside = await endpointsOf([database.url, s3.endpoint, replica.url]);
  return { catalog, store: open.counting(bucket), hot, open, holder, shared: true, deploymentId, inside };
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  "http:": 80,
  "https:": 443,
  "postgres:": 5432,
  "postgresql:": 5432,
};

/** Names and addresses of what is inside. A name that is not found now guards nothing that could be reached by it. */
async function endpointsOf(urls: readonly string[]): Promise<readonly Endpoint[]> {
  const found = await Promise.all(
    urls.map(async (text): Promise<Endpoint[]> => {
      const url = new URL(text);
      const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
      const port = Number(url.port === "" ? DEFAULT_PORTS[url.protocol] : url.port);
      if (host === "") return [];
      const addresses = await lookup(host, { all: true }).catch(() => []);
      return [{ host, port }, ...addresses.map(({ address }) => ({ host: address, port }))];
    }),
  );
  return found.flat();
}
