import { stat } from "node:fs/promises";
import { join } from "node:path";
import { CatalogAudit } from "./artifact/audit-trail.ts";
import { createToken } from "./artifact/tokens.ts";
import { type Catalog, openCatalog } from "./catalog/open-catalog.ts";
import { migrateServer } from "./catalog/postgres/open-postgres.ts";
import type { ClusterConfig, Config, EmbeddedConfig } from "./config/config.ts";
import { codeOf } from "./config/env.ts";
import type { Place } from "./config/place.ts";
import { CisternError } from "./domain/errors.ts";
import type { Events } from "./domain/events.ts";
import type { Principal } from "./domain/principal.ts";
import { readTokenRequest } from "./http/token-body.ts";
import { tokenView } from "./http/token-view.ts";
import { lockDataDir } from "./store/data-lock.ts";
import { systemClock } from "./telemetry/system-clock.ts";

/** The one who runs the command hears what it says. */
const UNHEARD: Events = { emit: () => undefined };

/** Whoever may open the catalog itself may do everything. */
const OPERATOR: Principal = { tokenId: "local", project: "admin", roles: ["admin"], address: "" };

/** Composition for commands that work without a server. */
export interface LocalOptions {
  readonly config: Config;
  /** Effective user id of this process; undefined where there is none. */
  readonly user: number | undefined;
}

/**
 * Creates a token in the catalog itself, for whoever has none that a server takes. `body` is what
 * the API takes; answers what it answers, the secret included.
 */
export async function createLocalToken(options: LocalOptions, body: unknown): Promise<Record<string, unknown>> {
  const request = readTokenRequest(body, systemClock.now());
  return withLocalCatalog(options, async ({ tokens, auditRows }) => {
    const audit = new CatalogAudit({ catalog: auditRows, clock: systemClock, events: UNHEARD });
    const ports = { tokens, clock: systemClock, audit, onTokenRevoked: () => undefined };
    const { token, secret } = await createToken(ports, OPERATOR, request);
    return { ...tokenView(token), token: secret };
  });
}

/**
 * Brings the schema of the configured database up to date; answers the names of the migrations that
 * were applied, none when others have done it. `invalid-config` when there is no such database.
 */
export async function migrateDatabase(
  place: Place,
  { onApply, signal }: { readonly onApply: (name: string) => void; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  if (place.kind === "cluster") return await migrateServer({ ...place.database, signal }, onApply);
  const rule = "is not set: an embedded catalog is brought up to date by its own start";
  throw new CisternError("invalid-config", `DATABASE_URL ${rule}`, { fields: [{ field: "DATABASE_URL", rule }] });
}

/**
 * Runs something on the catalog that is configured. Embedded, nobody else may have it open
 * meanwhile: `data-dir-locked` when a server has. `invalid-config` when there is none.
 */
export async function withLocalCatalog<T>(options: LocalOptions, run: (catalog: Catalog) => Promise<T>): Promise<T> {
  const { config, user } = options;
  await using stack = new AsyncDisposableStack();
  const catalog = config.kind === "cluster" ? openShared(config) : openOwn(config, user, stack);
  return await run(stack.use(await catalog));
}

async function openOwn({ dataDir }: EmbeddedConfig, user: number | undefined, stack: AsyncDisposableStack) {
  const directory = join(dataDir, "catalog");
  await requireOwn(directory, user, "CISTERN_DATA_DIR", "catalog");
  stack.use(lockDataDir(dataDir));
  return await openCatalog({ directory });
}

function openShared({ database }: ClusterConfig): Promise<Catalog> {
  return openCatalog(database);
}

/**
 * What is to be opened must be there, not be made, and be this user's: a wrong directory would get
 * what no server reads.
 *
 * @param setting what named the data directory that it lies in
 * @param what it is, in words
 */
export async function requireOwn(
  directory: string,
  user: number | undefined,
  setting: string,
  what: string,
): Promise<void> {
  let owner: number;
  try {
    owner = (await stat(directory)).uid;
  } catch (error) {
    const code = codeOf(error);
    const rule = code === "ENOENT" ? `holds no ${what}: set it to the server's` : `cannot be read (${code})`;
    throw invalidDirectory(setting, rule);
  }
  if (user === undefined || user === owner) return;
  throw invalidDirectory(
    setting,
    `is user ${owner}'s: run this as that user, for the server must be able to read what is written`,
  );
}

function invalidDirectory(field: string, rule: string): CisternError {
  return new CisternError("invalid-config", `${field} ${rule}`, { fields: [{ field, rule }] });
}
