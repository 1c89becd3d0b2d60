import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { type Connection, type ConnectOptions, openConnection } from "./connection.ts";
import { invalidUrl } from "./invalid-url.ts";
import type { ServerAddress } from "./server-address.ts";
import { lastingFailure, notReached } from "./start-failure.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
const OLDEST_MAJOR = 14;

/**
 * The first connection of a start. A server that is not there yet is waited for: everything may be
 * started at once. `invalid-config`, with what to set, when that cannot help or lasts over `milliseconds`.
 */
export async function awaitServer(
  address: ServerAddress,
  options: ConnectOptions,
  milliseconds: number,
  signal: AbortSignal,
): Promise<Connection> {
  const deadline = performance.now() + milliseconds;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    signal.throwIfAborted();
    const left = deadline - performance.now();
    try {
      const limit = Math.max(1, Math.min(options.milliseconds, Math.ceil(left)));
      return await checked(await openConnection(address, { ...options, milliseconds: limit, signal }));
    } catch (error) {
      signal.throwIfAborted();
      const lasting = lastingFailure(error);
      if (lasting !== undefined) throw lasting;
      if (performance.now() + pause >= deadline) throw notReached(address, milliseconds, error);
    }
    await delay(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** It serves what the catalog needs. */
async function checked(connection: Connection): Promise<Connection> {
  try {
    const [row] = await connection.db.execute<{ version: string; encoding: string }>(
      sql`select current_setting('server_version_num') as version, current_setting('server_encoding') as encoding`,
    );
    if (Math.floor(Number(row?.version) / 10_000) < OLDEST_MAJOR) {
      throw invalidUrl(`the server must be Postgres ${OLDEST_MAJOR} or newer`);
    }
    if (row?.encoding !== "UTF8") throw invalidUrl("the database must have the encoding UTF8");
    return connection;
  } catch (error) {
    connection.destroy("it will not do");
    throw error;
  }
}
