import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import type { CatalogChange, CatalogChanges } from "../../domain/catalog-changes.ts";
import { translate, unavailable } from "../translate-error.ts";
import { unlessAborted } from "../unless-aborted.ts";
import type { Connection } from "./connection.ts";
import { parseChange } from "./parse-change.ts";

export interface ListenOptions {
  /** A listening connection is asked for a sign of life so often, and has as long to give it. */
  readonly pulseMs: number;
}

export type OpenListening = (onNotify: (payload: string) => void) => Promise<Connection>;
type OnChange = (change: CatalogChange) => void;

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const CLOSE_MS = 1_000;

/**
 * LISTEN on a connection of its own, which is replaced when it breaks or gives no sign of life. The
 * driver's own `listen` waits for the system to notice that a connection is half open: hours.
 */
export class ListenedChanges implements CatalogChanges {
  readonly #open: OpenListening;
  readonly #options: ListenOptions;
  readonly #listening = new Set<AsyncDisposable>();

  constructor(open: OpenListening, options: ListenOptions) {
    this.#open = open;
    this.#options = options;
  }

  /** `catalog-unavailable` when the first connection cannot be had. */
  async listen(onChange: OnChange): Promise<AsyncDisposable> {
    const ending = new AbortController();
    const first = await this.#connect(onChange).catch((error: unknown) => {
      throw translate(error);
    });
    const running = this.#keep(first, onChange, ending.signal);
    const listening = {
      [Symbol.asyncDispose]: async () => {
        this.#listening.delete(listening);
        ending.abort(unavailable("it listens no more"));
        await running;
      },
    };
    this.#listening.add(listening);
    return listening;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#listening].map((listening) => listening[Symbol.asyncDispose]()));
  }

  /** Listens, and says so: what was committed before is not known. */
  async #connect(onChange: OnChange): Promise<Connection> {
    const connection = await this.#open((payload) => onChange(parseChange(payload)));
    try {
      await unlessAborted(connection.db.execute(sql`listen cistern`), this.#limitOf(connection));
    } catch (error) {
      connection.destroy("it does not listen");
      throw error;
    }
    onChange({ kind: "unknown" });
    return connection;
  }

  async #keep(first: Connection, onChange: OnChange, ending: AbortSignal): Promise<void> {
    for (let connection: Connection | undefined = first; connection !== undefined; ) {
      await this.#watch(connection, ending);
      if (ending.aborted) return await connection.close(CLOSE_MS);
      connection.destroy("it gives no sign of life");
      connection = await this.#again(onChange, ending);
    }
  }

  /** Returns when the connection is of no use any more, or listening ends. */
  async #watch(connection: Connection, ending: AbortSignal): Promise<void> {
    const over = AbortSignal.any([ending, connection.broken]);
    try {
      for (;;) {
        await delay(this.#options.pulseMs, undefined, { signal: over });
        await unlessAborted(connection.db.execute(sql`select 1`), AbortSignal.any([over, this.#limitOf(connection)]));
      }
    } catch {
      // Whatever it was: it is replaced, and listening begins anew.
    }
  }

  /** undefined: listening ends. */
  async #again(onChange: OnChange, ending: AbortSignal): Promise<Connection | undefined> {
    for (let pause = FIRST_PAUSE_MS; !ending.aborted; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      try {
        await delay(pause * (0.5 + Math.random() / 2), undefined, { signal: ending });
        return await this.#connect(onChange);
      } catch {
        // The server is away: the next turn tries again.
      }
    }
    return undefined;
  }

  #limitOf({ broken }: Connection): AbortSignal {
    return AbortSignal.any([broken, AbortSignal.timeout(this.#options.pulseMs)]);
  }
}
