import { sql } from "drizzle-orm";
import type { Fence, ObjectName } from "../domain/content.ts";
import type { ContentRecovery } from "../domain/content-catalog.ts";
import type { Digests, Sha256 } from "../domain/digest.ts";
import { worthOfNew } from "../domain/eviction.ts";
import { mergedColumns } from "./digest-columns.ts";
import { contents } from "./schema.ts";
import type { Session } from "./session.ts";

/** As much as what was fetched just now, in a catalog that has evicted nothing yet. */
const WORTH = { hits: 1, ...worthOfNew(0) };

export class PostgresContentRecovery implements ContentRecovery {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async raiseFence(fence: Fence): Promise<void> {
    await this.#session.query((db) =>
      // The message makes the commit reach the disk, and the sequence with it, as for a fence that is given.
      db.execute(sql`
        select setval('fence', greatest(last_value, ${fence}::bigint)), pg_logical_emit_message(true, 'fence', '')
        from fence`),
    );
  }

  async restore(object: ObjectName, digests: Digests & { readonly sha256: Sha256 }, size: number): Promise<boolean> {
    const { sha256, fence } = object;
    const written = await this.#session.query((db) =>
      db
        .insert(contents)
        .values({ ...mergedColumns(digests, {}), sha256, fence, size, state: "admitted", ...WORTH })
        .onConflictDoNothing()
        .returning({ sha256: contents.sha256 }),
    );
    return written.length > 0;
  }
}
