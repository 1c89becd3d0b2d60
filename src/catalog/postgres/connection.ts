import { Duplex } from "node:stream";
import { sql as statement } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import type { Queries } from "../database.ts";
import { textArray } from "../text-array.ts";
import { unavailable } from "../translate-error.ts";
import { unlessAborted } from "../unless-aborted.ts";
import { dial } from "./dial.ts";
import type { ServerAddress } from "./server-address.ts";

/** What the server does by itself for a connection, in milliseconds, none of them 0. */
export interface ServerLimits {
  readonly statement: number;
  readonly lock: number;
  readonly idleInTransaction: number;
}

export interface ConnectOptions {
  readonly limits: ServerLimits;
  /** Limit of connecting, TLS and log-in together. */
  readonly milliseconds: number;
  readonly onNotify?: (payload: string) => void;
  /** Ends the attempt. */
  readonly signal?: AbortSignal;
}

/**
 * One connection to a server, for one user at a time. It is never opened again: what would run on
 * the second one after the first broke in a transaction would run outside of it.
 */
export interface Connection {
  readonly db: Queries;
  /** `performance.now()` when it was opened. */
  readonly openedAt: number;
  /** Aborted when it is of no use any more. */
  readonly broken: AbortSignal;
  /** Ends it at once: whatever is in flight is in doubt. */
  destroy(reason: string): void;
  /** Ends it in an orderly way, by force after `milliseconds`. */
  close(milliseconds: number): Promise<void>;
}

/** Rejects with the system's or the server's error, or a `Refusal`. */
export async function openConnection(address: ServerAddress, options: ConnectOptions): Promise<Connection> {
  const timeout = AbortSignal.timeout(options.milliseconds);
  const limit = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  const socket = await dial(address, limit);
  const broken = new AbortController();
  const breakOff = (reason: string) => {
    if (!broken.signal.aborted) broken.abort(unavailable(reason));
    socket.destroy();
  };
  socket.once("close", () => breakOff("the connection was closed"));
  const sql = driverOver(socket, address, options);
  const db = drizzle(sql);
  const onLimit = () => breakOff("no answer to the log-in");
  limit.addEventListener("abort", onLimit);
  try {
    await unlessAborted(db.execute(statement`select 1`), broken.signal);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    limit.removeEventListener("abort", onLimit);
  }
  return {
    db,
    openedAt: performance.now(),
    broken: broken.signal,
    destroy: breakOff,
    async close(milliseconds) {
      await sql.end({ timeout: milliseconds / 1000 });
      breakOff("the connection is closed");
    },
  };
}

/** The driver over this one socket. */
function driverOver(socket: Duplex, address: ServerAddress, { limits, milliseconds, onNotify }: ConnectOptions) {
  let used = false;
  return postgres({
    host: "localhost",
    port: 5432,
    database: address.database,
    username: address.user,
    password: address.password,
    // The socket has agreed on it.
    ssl: false,
    max: 1,
    fetch_types: false,
    types: { textArray },
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: milliseconds / 1000,
    backoff: false,
    onnotice: () => undefined,
    connection: {
      application_name: address.applicationName ?? "cistern",
      // What a role or a database may have set otherwise.
      DateStyle: "ISO",
      TimeZone: "UTC",
      search_path: "public",
      statement_timeout: limits.statement,
      lock_timeout: limits.lock,
      idle_in_transaction_session_timeout: limits.idleInTransaction,
      // So that the locks of a replica that is gone go soon.
      tcp_keepalives_idle: "10",
      tcp_keepalives_interval: "5",
      tcp_keepalives_count: "4",
    },
    // These two are not in the driver's types (hence the assertion).
    onnotify: (_channel: string, payload: string) => onNotify?.(payload),
    socket: () => {
      const again = used;
      used = true;
      return again ? refused() : socket;
    },
  } as postgres.Options<Record<string, postgres.PostgresType>>);
}

/** The driver wants a second connection of its own accord; it is told no in the only way it hears. */
function refused(): Duplex {
  const none = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  // It listens only once it has it.
  setImmediate(() => none.destroy(new Error("the connection was closed")));
  return none;
}
