import { composeAccounting } from "./accounting.ts";
import { hashSecret } from "./artifact/tokens.ts";
import { composeAudit } from "./auditing.ts";
import { startJobs } from "./background.ts";
import type { PrefetchRunner } from "./cache/prefetch-runner.ts";
import { composeCare } from "./caretaking.ts";
import type { Catalog } from "./catalog/open-catalog.ts";
import { deploymentClock, joinCluster, watchCatalog } from "./cluster.ts";
import { readAdminToken } from "./config/admin-token.ts";
import type { Config } from "./config/config.ts";
import { ADMIN_PROJECT } from "./domain/principal.ts";
import { ADMIN_TOKEN_ID, type TokenRecord } from "./domain/token.ts";
import { composeEdge } from "./edge.ts";
import { openEngine } from "./engine.ts";
import { GuardJudge } from "./origin/address-judge.ts";
import { systemResolve } from "./origin/guarded-connector.ts";
import { HttpSource } from "./origin/http-source.ts";
import { type Endpoint, ORIGIN_DEFAULTS } from "./origin/options.ts";
import { startPrefetching } from "./prefetching.ts";
import { composeReading } from "./reading.ts";
import { logEvents } from "./telemetry/log-events.ts";
import { createLogger } from "./telemetry/logger.ts";
import { systemClock } from "./telemetry/system-clock.ts";

/** A running Cistern. Disposal drains responses, hands fills on or parks them, and closes everything. */
export interface App extends AsyncDisposable {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** Where operators ask, when that is a listener of its own. */
  readonly adminUrl: string | undefined;
  /** The file of the admin token; undefined when the configuration set the token. */
  readonly tokenFile: string | undefined;
  /** The admin token, when it was made at this start. */
  readonly freshToken: string | undefined;
  /** Aborted when the catalog is gone for good: only a new start helps. */
  readonly lost: AbortSignal;
  /** Reads the TLS certificate again; without TLS it does nothing. */
  reload(): Promise<void>;
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
  const log = logEvents(createLogger(config.logLevel));
  const engine = await openEngine(config, stack);
  const { catalog } = engine;
  const token = await readAdminToken(config.dataDir, config.adminToken);
  await installAdminToken(catalog, token.secret);
  const membership = config.kind === "cluster" ? await joinCluster(config, engine, stack) : undefined;
  const audit = composeAudit({ engine, events: log, membership }, stack);
  const listening: Endpoint[] = [];
  const ownAddresses = () => [...listening, ...engine.inside];
  const origins = stack.use(openSource(config, ownAddresses, engine.deploymentId));
  const { allow, memberHosts } = config.origin;
  const addresses = new GuardJudge({ allow, memberHosts, ownAddresses }, { resolve: systemResolve });
  const accountingParts = { engine, audit, clock: deploymentClock(membership), events: log };
  const { source, quota, events } = composeAccounting(config, origins, accountingParts, stack);
  const heard = () => membership?.clock.tellsOfDead ?? true;
  const peers = membership?.peers;
  const parts = { engine, source, events, peers, clock: deploymentClock(membership), heard };
  const reading = composeReading(config, parts, stack);
  await reading.tombstones.load();
  await reading.capacity.refresh();
  await reading.policy.load();
  await reading.blocked.load();
  const care = composeCare(config, { engine, reading, source, events, clock: deploymentClock(membership), audit });
  let prefetching: PrefetchRunner | undefined;
  const onFill = () => prefetching?.wake();
  const edge = await composeEdge(
    config,
    { engine, reading, source, addresses, events, membership, audit, care, quota, onFill },
    stack,
  );
  if (membership !== undefined) await watchCatalog(engine, { ...reading, ...edge, events, onFill }, stack);
  stack.use(startJobs(config, { engine, reading, events, membership, audit, care, quota, onFill }));
  await edge.listen(listening);
  // Last, so that it ends first: what it fetches is not to keep a server from ending.
  const clock = deploymentClock(membership);
  prefetching = stack.use(await startPrefetching(config, { engine, reading, events, clock }));
  // Starts the workers now, so that the first fill does not wait for them.
  engine.hasher.start(["md5", "sha512"]).abandon();
  return {
    url: edge.url(),
    adminUrl: edge.adminUrl(),
    tokenFile: token.file,
    freshToken: token.fresh ? token.secret : undefined,
    lost: catalog.lost,
    reload: () => edge.reload(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function openSource({ origin }: Config, ownAddresses: () => Endpoint[], deploymentId: string): HttpSource {
  const timeouts = { ...ORIGIN_DEFAULTS.timeouts, ...origin.timeouts };
  const { allow, memberHosts } = origin;
  const loopId = loopIdOf(deploymentId);
  const options = { ...ORIGIN_DEFAULTS, allow, memberHosts, ownAddresses, loopId, timeouts };
  return new HttpSource(options, { clock: systemClock, resolve: systemResolve });
}

/** Names all processes of a deployment in `CDN-Loop`, so that a URL that leads back to one is noticed. */
function loopIdOf(deploymentId: string): string {
  return `cistern-${deploymentId}`;
}

/** The admin token is authoritative at every start; only its hash is kept. */
async function installAdminToken(catalog: Catalog, secret: string): Promise<void> {
  const token: TokenRecord = {
    id: ADMIN_TOKEN_ID,
    name: "admin",
    project: ADMIN_PROJECT,
    roles: ["admin"],
    cidrs: [],
    createdAt: systemClock.now(),
    expiresAt: undefined,
    revokedAt: undefined,
  };
  await catalog.tokens.put(token, hashSecret(secret));
}
