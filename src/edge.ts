import { quotaDefaults } from "./accounting.ts";
import type { BlobChanges } from "./artifact/blob-changes.ts";
import type { Pins } from "./artifact/contents.ts";
import type { EgressQuota } from "./cache/egress-quota.ts";
import { capacityPorts } from "./capacity.ts";
import type { Caretaking } from "./caretaking.ts";
import { deploymentClock, type Membership } from "./cluster.ts";
import type { Config } from "./config/config.ts";
import type { Listen } from "./config/network.ts";
import type { AddressJudge } from "./domain/address-verdict.ts";
import type { AuditTrail } from "./domain/audit.ts";
import type { Events } from "./domain/events.ts";
import type { Source } from "./domain/source.ts";
import type { TokenId } from "./domain/token.ts";
import type { Engine } from "./engine.ts";
import type { ApiPorts } from "./http/api.ts";
import { Authenticator } from "./http/authenticate.ts";
import { CallerLimits } from "./http/caller-limits.ts";
import { composeFaces } from "./http/faces.ts";
import { hotPath } from "./http/hot-path.ts";
import { artifactRoutes } from "./http/routes/artifacts.ts";
import { askerRoutes } from "./http/routes/askers.ts";
import { auditRoutes } from "./http/routes/audit.ts";
import { blobRoutes } from "./http/routes/blobs.ts";
import { capacityRoutes } from "./http/routes/capacity.ts";
import { taskRoutes } from "./http/routes/content-tasks.ts";
import { contentRoutes } from "./http/routes/contents.ts";
import { fillRoutes } from "./http/routes/fills.ts";
import { healthRoutes } from "./http/routes/health.ts";
import { openApiRoutes } from "./http/routes/openapi.ts";
import { policyRoutes } from "./http/routes/policies.ts";
import { quotaRoutes } from "./http/routes/quotas.ts";
import { relayRoutes } from "./http/routes/relay.ts";
import { schemaRoutes } from "./http/routes/schemas.ts";
import { tokenRoutes } from "./http/routes/tokens.ts";
import { EdgeServer } from "./http/server.ts";
import { TlsFiles } from "./http/tls-files.ts";
import { onRegister } from "./on-register.ts";
import type { Endpoint } from "./origin/options.ts";
import { ruledPrefetches } from "./prefetching.ts";
import type { Reading } from "./reading.ts";
import { systemClock } from "./telemetry/system-clock.ts";

/** Of `/v1` and what it does; Glare's is its own. */
const API_VERSION = "1.0";
const REAP_MS = 30_000;
/** After the drain time, for fills to be handed on or parked before connections are reset. */
const HAND_OVER_MS = 2_000;

export interface EdgeParts {
  readonly engine: Engine;
  readonly reading: Reading;
  readonly source: Source;
  readonly addresses: AddressJudge;
  readonly events: Events;
  readonly membership: Membership | undefined;
  readonly care: Caretaking;
  readonly audit: AuditTrail;
  readonly quota: EgressQuota;
  /** Told when the queue of fills has something to do, or something to stop. */
  onFill(): void;
}

/** The listeners of this process. */
export interface Edge {
  readonly authenticator: Authenticator;
  /** Begins to listen; adds what is listened on to `listening`. `invalid-config` when it cannot be had. */
  listen(listening: Endpoint[]): Promise<void>;
  url(): string;
  adminUrl(): string | undefined;
  /** Reads the TLS certificate again. */
  reload(): Promise<void>;
}

/** Composes routes and listeners; the stack drains and closes them. */
export async function composeEdge(config: Config, parts: EdgeParts, stack: AsyncDisposableStack): Promise<Edge> {
  const { http } = config;
  const { tokens } = parts.engine.catalog;
  const tls = http.tls === undefined ? undefined : stack.use(await TlsFiles.open(http.tls, parts.events));
  const authenticator = new Authenticator({
    tokens,
    clock: deploymentClock(parts.membership),
    anonymousRead: http.anonymousRead,
    limits: new CallerLimits(config.limits, systemClock.monotonic),
  });
  const servers: EdgeServer[] = [];
  const { faces, hot } = composeRoutes(config, parts, authenticator, () => servers.some(({ draining }) => draining));
  const common = { limits: config.limits, tls, trustedProxies: http.trustedProxies, idleMs: http.idleMs };
  const main = new EdgeServer({ ...common, setting: "CISTERN_LISTEN", routes: faces.main, hotPath: hot });
  servers.push(main);
  const places: [EdgeServer, Listen][] = [[main, config.listen]];
  if (http.adminListen !== undefined && faces.admin !== undefined) {
    const admin = new EdgeServer({
      ...common,
      setting: "CISTERN_ADMIN_LISTEN",
      routes: faces.admin,
      hotPath: undefined,
    });
    servers.push(admin);
    places.push([admin, http.adminListen]);
  }
  stack.defer(() => shutDown(servers, config, parts));
  const urls: string[] = [];
  return {
    authenticator,
    async listen(listening) {
      for (const [server, { host, port }] of places) {
        const { port: actual } = await server.listen({ host, port });
        listening.push({ host, port: actual });
        urls.push(`${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${actual}`);
      }
    },
    url: () => urls[0] ?? "",
    adminUrl: () => urls[1],
    reload: async () => tls?.reload(),
  };
}

/**
 * Balancers notice, running responses end, and so do fills that other replicas or nobody read; what
 * is not over by then is handed on or parked.
 */
async function shutDown(
  servers: readonly EdgeServer[],
  { http }: Config,
  { engine, reading }: EdgeParts,
): Promise<void> {
  const { fills } = reading;
  await Promise.all(servers.map((server) => server.drain(http.drainDelayMs)));
  const until = systemClock.monotonic() + http.drainMs;
  const late = new AbortController();
  const over = systemClock.sleep(http.drainMs, late.signal).catch(() => undefined);
  // Alone, a fill goes on at the next start. Among others they ask for it here while it is held here,
  // over new connections too: those are taken until it is over.
  if (engine.shared) await Promise.race([fills.finished(), over]);
  const left = Math.max(0, until - systemClock.monotonic());
  const closed = Promise.all(servers.map((server) => server.close(left + HAND_OVER_MS)));
  await Promise.race([closed, over]);
  late.abort();
  await fills.stop();
  await closed;
}

/** Every route of this process. */
function composeRoutes(config: Config, parts: EdgeParts, authenticator: Authenticator, draining: () => boolean) {
  const { engine, reading, source, events, membership, audit, care } = parts;
  const { catalog, store, spool, hasher, deploymentId, shared, holder } = engine;
  const { opener, evictor } = reading;
  const { artifacts, blobs, ledger, tokens } = catalog;
  const clock = deploymentClock(membership);
  const { idleMs, publicUrl, adminListen } = config.http;
  const report = (cause: unknown) => events.emit({ kind: "request-failed", cause });
  // Links lead to the main address, where the operators' part is not when it has a listener of its own.
  const linked = adminListen === undefined ? publicUrl : undefined;
  const api: ApiPorts = { authenticator, report, publicUrl: linked, answers: catalog.firstAnswers };
  const changes = blobChanges(reading, events);
  const receiving = { hasher, clock, stallMs: idleMs, maxBytes: config.limits.maxUploadBytes };
  const prefetches = ruledPrefetches(engine, reading.policy, clock, parts.onFill);
  const registering = { policy: reading.policy, onRegistered: onRegister(reading, blobs, prefetches, events) };
  const writing = {
    ...receiving,
    room: evictor,
    holder,
    artifacts,
    blobs,
    ledger,
    spool,
    store,
    source,
    changes,
    audit,
    ...registering,
  };
  const onTokenRevoked = (id: TokenId) => authenticator.forget(id);
  const { inventory, blocks, tasks } = catalog;
  const pins: Pins = {
    pin: (sha256, pin) => catalog.capacity.pin(sha256, pin, config.limits.cacheBytes),
    unpin: (sha256) => catalog.capacity.unpin(sha256),
  };
  const caring = { ...care, care: catalog.care, inventory, blocks, tasks, artifacts, pins, audit };
  const serving = { opener, events, clock, idleMs };
  const health = { catalog: () => catalog.ping(), store: (signal: AbortSignal) => store.ping(signal) };
  const host = reading.relay;
  const { askers } = reading.policy;
  const proving = membership === undefined ? undefined : { credentials: membership.credentials, self: holder, report };
  const replicas =
    proving === undefined ? [] : [relayRoutes({ ...proving, host, idleMs }), askerRoutes({ ...proving, askers })];
  const faces = composeFaces({
    // Replicas go on with what is hot when their database is away; a catalog that is this process's own is all it has.
    everywhere: [healthRoutes({ parts: health, required: shared ? [] : ["catalog"], draining, authenticator, clock })],
    replicas,
    main: [
      blobRoutes({ ...serving, authenticator, loopId: `cistern-${deploymentId}`, report }),
      artifactRoutes({ ...writing, authenticator, publicUrl, report }),
      schemaRoutes(api),
      quotaRoutes({ ...api, ...quotaPorts(config, parts) }),
    ],
    admin: [
      // One line for each part, in any order.
      auditRoutes({ ...api, auditRows: catalog.auditRows }),
      capacityRoutes({ ...api, ...capacityPorts(engine, reading, events), audit }),
      contentRoutes({ ...api, ...caring, clock }),
      taskRoutes({ ...api, ...caring, clock }),
      fillRoutes({ ...api, ...fillPorts(parts), clock }),
      policyRoutes({ ...api, ...policyPorts(config, parts), clock }),
      tokenRoutes({ ...api, tokens, clock, audit, onTokenRevoked }),
    ],
    document: (operations) => openApiRoutes(api, operations, { version: API_VERSION, publicUrl }),
    separateAdmin: adminListen !== undefined,
  });
  return { faces, hot: hotPath(serving, authenticator) };
}

function policyPorts(config: Config, { engine, reading, audit, source, addresses, membership, quota }: EdgeParts) {
  const { policies, policyScan: scan, blobs, leases, replicas } = engine.catalog;
  const { policy, blocked, fills, health } = reading;
  const asked = { blobs, leases, blocked, fills, health, source, addresses, quota };
  const { mode: builtIn, redirectHosts } = config.policy;
  const others = membership === undefined ? undefined : { replicas, peers: membership.peers, self: engine.holder };
  const fleet = { own: policy.askers, others };
  return { ...asked, fleet, policies, scan, policy, audit, builtIn, redirectHosts };
}

function quotaPorts({ limits }: Config, { engine, reading, audit }: EdgeParts) {
  const onQuotasChanged = () => reading.projectLimits.look();
  return {
    quotas: engine.catalog.quotas,
    audit,
    quotaDefaults: quotaDefaults(limits, reading.capacity),
    onQuotasChanged,
  };
}

function fillPorts({ engine, reading, audit, onFill }: EdgeParts) {
  const { artifacts, blobSearch: search, fillQueue: queue, fillWork: work, replicas } = engine.catalog;
  return { artifacts, search, queue, work, replicas, live: reading.live, holder: engine.holder, audit, onFill };
}

/** What a change of a blob means to the read path of this process. */
function blobChanges({ resolver, fills, evictor }: Reading, events: Events): BlobChanges {
  return {
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
}
