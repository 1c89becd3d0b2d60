import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BlobChanges } from "./artifact/blob-changes.ts";
import { hashSecret } from "./artifact/tokens.ts";
import { BlockCache } from "./cache/block-cache.ts";
import { Evictor } from "./cache/evict.ts";
import { FillRegistry } from "./cache/fill-registry.ts";
import { BlobOpener } from "./cache/open-blob.ts";
import { ReadBudget } from "./cache/read-budget.ts";
import { ReadTimes } from "./cache/read-times.ts";
import { type RecoverPorts, removeUnrecorded } from "./cache/recover.ts";
import { Resolver } from "./cache/resolve.ts";
import { SourceHealth } from "./cache/source-health.ts";
import { Tombstones } from "./cache/tombstones.ts";
import { type Catalog, openCatalog } from "./catalog/open-catalog.ts";
import { readAdminToken } from "./config/admin-token.ts";
import type { Config } from "./config/config.ts";
import type { Events } from "./domain/events.ts";
import { ADMIN_TOKEN_ID, type TokenId, type TokenRecord } from "./domain/token.ts";
import { Authenticator } from "./http/authenticate.ts";
import { composeFaces } from "./http/faces.ts";
import { hotPath } from "./http/hot-path.ts";
import { artifactRoutes } from "./http/routes/artifacts.ts";
import { blobRoutes } from "./http/routes/blobs.ts";
import { healthRoutes } from "./http/routes/health.ts";
import { tokenRoutes } from "./http/routes/tokens.ts";
import { EdgeServer } from "./http/server.ts";
import { type Job, runJobs } from "./jobs/schedule.ts";
import { systemResolve } from "./origin/guarded-connector.ts";
import { HttpSource } from "./origin/http-source.ts";
import { ORIGIN_DEFAULTS } from "./origin/options.ts";
import { lockDataDir } from "./store/data-lock.ts";
import { openFilesystemStore } from "./store/filesystem-store.ts";
import { WorkerHasher } from "./store/hasher/worker-hasher.ts";
import { openSpool } from "./store/spool/open-spool.ts";
import { logEvents } from "./telemetry/log-events.ts";
import { createLogger } from "./telemetry/logger.ts";
import { systemClock } from "./telemetry/system-clock.ts";

const MIB = 1024 * 1024;
/** Bytes of admitted content that are kept in memory for the next reader, and of reads in flight. */
const MEMORY = { blocks: 64 * MIB, reads: 64 * MIB };
const HOLDER = "embedded";
const FLUSH_READS_MS = 30_000;
const REAP_MS = 30_000;
/** What an earlier process left half fetched is kept for its next reader so long. */
const KEEP_REMAINS_MS = 7 * 24 * 3600 * 1000;

/** A running Cistern. Disposal drains responses, parks fills and closes everything. */
export interface App extends AsyncDisposable {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** The file of the admin token; undefined when the configuration set the token. */
  readonly tokenFile: string | undefined;
  /** The admin token, when it was made at this start. */
  readonly freshToken: string | undefined;
  /** Aborted when the catalog is gone for good: only a new start helps. */
  readonly lost: AbortSignal;
}

/** Puts all parts together and listens. `invalid-config`, `data-dir-locked` when that cannot be. */
export async function startApp(config: Config): Promise<App> {
  const stack = new AsyncDisposableStack();
  try {
    return await compose(config, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function compose(config: Config, stack: AsyncDisposableStack): Promise<App> {
  const events = logEvents(createLogger(config.logLevel));
  const disk = await openDisk(config, stack);
  const { catalog } = disk;
  const token = await readAdminToken(config.dataDir, config.adminToken);
  await installAdminToken(catalog, token.secret);
  const listening: { host: string; port: number }[] = [];
  // Names this process in `CDN-Loop`, so that a URL that leads back here is noticed.
  const loopId = `cistern-${randomUUID()}`;
  const source = stack.use(openSource(config, () => listening, loopId));
  const reading = composeReading(config, { ...disk, source, events }, stack);
  const servers: EdgeServer[] = [];
  const draining = () => servers.some((server) => server.draining);
  const { faces, hot } = composeRoutes(config, { ...disk, ...reading, source, events, loopId, draining });
  stack.use(startJobs(config, catalog, reading, disk.store, events));
  const server = new EdgeServer({
    setting: "CISTERN_LISTEN",
    routes: faces.main,
    hotPath: hot,
    limits: { maxConnections: config.limits.maxConnections, maxConnectionsPerClient: undefined },
    tls: undefined,
    trustedProxies: [],
    idleMs: config.http.idleMs,
  });
  servers.push(server);
  stack.defer(() => server.close(config.http.drainMs));
  const { host } = config.listen;
  const { port } = await server.listen(config.listen);
  listening.push({ host, port });
  // Starts the workers now, so that the first fill does not wait for them.
  disk.hasher.start(["md5", "sha512"]).abandon();
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const freshToken = token.fresh ? token.secret : undefined;
  return {
    url,
    tokenFile: token.file,
    freshToken,
    lost: catalog.lost,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What lies in the data directory: held by this process alone. */
async function openDisk(config: Config, stack: AsyncDisposableStack) {
  const { dataDir, limits } = config;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  stack.use(lockDataDir(dataDir));
  const store = await openFilesystemStore(join(dataDir, "store"));
  const spool = await openSpool(join(dataDir, "spool"), limits.spoolBytes);
  await spool.sweep(new Date(Date.now() - KEEP_REMAINS_MS));
  const catalog = stack.use(await openCatalog({ directory: join(dataDir, "catalog") }));
  // Whoever held leases here is dead: the lock says so.
  await catalog.leases.releaseAll(HOLDER);
  const hasher = stack.use(new WorkerHasher());
  return { store, spool, catalog, hasher };
}

type Disk = Awaited<ReturnType<typeof openDisk>>;

function openSource(
  { origin }: Config,
  ownAddresses: () => { host: string; port: number }[],
  loopId: string,
): HttpSource {
  const timeouts = { ...ORIGIN_DEFAULTS.timeouts, ...origin.timeouts };
  const { allow, memberHosts } = origin;
  const options = { ...ORIGIN_DEFAULTS, allow, memberHosts, ownAddresses, loopId, timeouts };
  return new HttpSource(options, { clock: systemClock, resolve: systemResolve });
}

/** The read path: everything between a request for a blob and its bytes. */
function composeReading(
  config: Config,
  parts: Disk & { source: HttpSource; events: Events },
  stack: AsyncDisposableStack,
) {
  const { catalog, store, spool, hasher, source, events } = parts;
  const { blobs, contents, leases, ledger } = catalog;
  const clock = systemClock;
  const resolver = new Resolver(blobs, clock);
  const tombstones = new Tombstones();
  const evictor = new Evictor({ contents, store, events }, config.limits.cacheBytes, () => resolver.clear());
  const health = new SourceHealth(clock);
  const makeRoom = (bytes: number) => evictor.makeRoom(bytes);
  const filling = {
    source,
    health,
    clock,
    events,
    spool,
    hasher,
    store,
    blobs,
    contents,
    leases,
    holder: HOLDER,
    makeRoom,
  };
  const fills = new FillRegistry(filling, tombstones, (fill) => {
    for (const { ref } of fill.records.values()) resolver.forget(ref);
  });
  stack.defer(() => fills.stop());
  const reads = new ReadTimes(clock);
  stack.defer(() => reads.flush(ledger));
  const budget = new ReadBudget(MEMORY.reads);
  const blocks = new BlockCache(MEMORY.blocks, budget);
  const { policy } = config;
  const opening = { resolver, fills, blobs, contents, source, tombstones, reads, clock, policy, store, blocks, budget };
  return { opener: new BlobOpener(opening), resolver, fills, evictor, reads };
}

type Reading = ReturnType<typeof composeReading>;

/** The edge: every route of this process. */
function composeRoutes(
  config: Config,
  parts: Disk & Reading & { source: HttpSource; events: Events; loopId: string; draining: () => boolean },
) {
  const { catalog, store, spool, hasher, source, events, opener, resolver, fills, evictor, loopId, draining } = parts;
  const { artifacts, blobs, ledger, tokens } = catalog;
  const clock = systemClock;
  const { anonymousRead, idleMs, publicUrl } = config.http;
  const authenticator = new Authenticator({ tokens, clock, anonymousRead });
  const report = (cause: unknown) => events.emit({ kind: "request-failed", cause });
  const changes: BlobChanges = {
    onBlobChanged: (ref) => {
      resolver.forget(ref);
      fills.narrow(ref);
    },
    onBlobsRemoved: (ids) => {
      resolver.forgetAll(ids);
      fills.release(ids);
      // The job does it at its turn when this does not succeed.
      evictor
        .reap(AbortSignal.timeout(REAP_MS))
        .catch((cause) => events.emit({ kind: "job-failed", job: "reap", cause }));
    },
  };
  const receiving = { hasher, clock, stallMs: idleMs, maxBytes: config.limits.maxUploadBytes };
  const makeRoom = (bytes: number) => evictor.makeRoom(bytes);
  const writing = { ...receiving, makeRoom, artifacts, blobs, ledger, spool, store, source, changes };
  const onTokenRevoked = (id: TokenId) => authenticator.forget(id);
  const serving = { opener, events, clock, idleMs };
  const health = { catalog: () => catalog.ping(), store: (signal: AbortSignal) => store.ping(signal) };
  const faces = composeFaces({
    health: healthRoutes({ parts: health, required: ["catalog"], draining, authenticator, clock }),
    main: [
      blobRoutes({ ...serving, authenticator, loopId, report }),
      artifactRoutes({ ...writing, authenticator, publicUrl, report }),
    ],
    admin: [tokenRoutes({ tokens, clock, authenticator, publicUrl, onTokenRevoked, report })],
    separateAdmin: false,
  });
  return { faces, hot: hotPath(serving, authenticator) };
}

/** Starts the background jobs; disposal ends them. */
function startJobs(config: Config, catalog: Catalog, reading: Reading, store: Disk["store"], events: Events) {
  const { ledger } = catalog;
  const ending = new AbortController();
  const jobs: Job[] = [
    { name: "flush-reads", everyMs: FLUSH_READS_MS, run: () => reading.reads.flush(ledger) },
    { name: "reap", everyMs: REAP_MS, run: async (signal) => void (await reading.evictor.reap(signal)) },
    { name: "housekeep", everyMs: config.jobs.housekeepMs, run: (signal) => catalog.housekeep(signal) },
  ];
  const recovering = recover({ store, ledger, events }, ending.signal);
  const running = runJobs(jobs, { clock: systemClock, events }, ending.signal);
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await Promise.all([running, recovering]);
    },
  };
}

/** Once after the start, beside the first requests: what a crash left between bytes and row. */
async function recover(ports: RecoverPorts, signal: AbortSignal): Promise<void> {
  try {
    await removeUnrecorded(ports, await ports.ledger.nextFence(), signal);
  } catch (cause) {
    if (!signal.aborted) ports.events.emit({ kind: "job-failed", job: "recover", cause });
  }
}

/** The admin token is authoritative at every start; only its hash is kept. */
async function installAdminToken(catalog: Catalog, secret: string): Promise<void> {
  const token: TokenRecord = {
    id: ADMIN_TOKEN_ID,
    name: "admin",
    project: "admin",
    roles: ["admin"],
    cidrs: [],
    createdAt: systemClock.now(),
    expiresAt: undefined,
    revokedAt: undefined,
  };
  await catalog.tokens.put(token, hashSecret(secret));
}
