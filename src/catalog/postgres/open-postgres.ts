import type { Database } from "../database.ts";
import { migrate } from "../migrate.ts";
import { awaitServer } from "./await-server.ts";
import { openConnection, type ServerLimits } from "./connection.ts";
import { inTransaction } from "./in-transaction.ts";
import { ListenedChanges } from "./listen-changes.ts";
import { Pool } from "./pool.ts";
import { parseServerAddress, type ServerAddress } from "./server-address.ts";
import { lastingFailure } from "./start-failure.ts";

export interface ServerOptions {
  /** `postgres://user:password@host:port/database?sslmode=…` */
  readonly url: string;
  /** PEM file of the authorities that may vouch for the server. */
  readonly caFile?: string | undefined;
  /** Connections at most, besides the one that listens for changes. Default 10. */
  readonly poolSize?: number | undefined;
  /** How long a start waits for a server that is not there yet. Default 30,000. */
  readonly waitMilliseconds?: number | undefined;
  /** How often the connection that listens for changes must give a sign of life. Default 10,000. */
  readonly pulseMilliseconds?: number | undefined;
  /** Ends the start. */
  readonly signal?: AbortSignal | undefined;
}

const CONNECT_MS = 10_000;
/** While it serves: an attempt that leads nowhere keeps others from being made. */
const RECONNECT_MS = 5_000;
/** Others may be at the same migrations; a big table may take its time. */
const MIGRATION_LIMITS: ServerLimits = { statement: 3_600_000, lock: 300_000, idleInTransaction: 60_000 };
/** A connection that is half open is noticed within twice this time. */
const PULSE_MS = 10_000;
const IDLE_MS = 60_000;
const LIFETIME_MS = 45 * 60_000;

/**
 * A pool of connections to a server whose schema is brought up to date first. `invalid-config` says
 * what to set when the server cannot be used; later failures are the driver's errors.
 *
 * @param queryMilliseconds limit of one query or transaction
 */
export async function openPostgres(options: ServerOptions, queryMilliseconds: number): Promise<Database> {
  const address = parseServerAddress(options.url, options.caFile);
  await migrateAt(address, options);
  // The server gives up before its client does: a late answer would cost the connection.
  const limits: ServerLimits = {
    statement: queryMilliseconds,
    lock: Math.ceil((queryMilliseconds * 2) / 3),
    idleInTransaction: queryMilliseconds,
  };
  const connect = { limits, milliseconds: Math.min(RECONNECT_MS, queryMilliseconds) };
  const pool = new Pool(() => openConnection(address, connect), {
    size: options.poolSize ?? 10,
    waitMs: Math.ceil((queryMilliseconds * 2) / 3),
    idleMs: IDLE_MS,
    lifetimeMs: LIFETIME_MS * (0.75 + Math.random() / 2),
  });
  const changes = new ListenedChanges((onNotify) => openConnection(address, { ...connect, onNotify }), {
    pulseMs: options.pulseMilliseconds ?? PULSE_MS,
  });
  return {
    lost: new AbortController().signal,
    embedded: false,
    changes,
    query: (run, late) => pool.use(async ({ db }) => await run(db), late),
    transaction: (body, late) => pool.use((connection) => inTransaction(connection, body, late), late),
    async close() {
      await Promise.all([changes.close(), pool.close()]);
    },
  };
}

/** Brings the schema of a server up to date; answers the names of the migrations that it applied. */
export function migrateServer(options: ServerOptions, onApply?: (name: string) => void): Promise<readonly string[]> {
  return migrateAt(parseServerAddress(options.url, options.caFile), options, onApply);
}

async function migrateAt(
  address: ServerAddress,
  { waitMilliseconds = 30_000, signal = new AbortController().signal }: ServerOptions,
  onApply?: (name: string) => void,
): Promise<readonly string[]> {
  const connect = { limits: MIGRATION_LIMITS, milliseconds: CONNECT_MS };
  const connection = await awaitServer(address, connect, waitMilliseconds, signal);
  const onAbort = () => connection.destroy("the start was ended");
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await migrate(
      {
        transaction: (body, late) =>
          inTransaction(connection, body, late).catch((error: unknown) => {
            throw lastingFailure(error) ?? error;
          }),
      },
      onApply,
    );
  } finally {
    signal.removeEventListener("abort", onAbort);
    await connection.close(CONNECT_MS);
  }
}
