import { eq, sql } from "drizzle-orm";
import type { Fence, ObjectName } from "../domain/content.ts";
import type { ContentLedger, Reads } from "../domain/content-catalog.ts";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import { TURNS_THAT_COUNT } from "../domain/eviction.ts";
import { fenceOf, objectOf } from "./content-row.ts";
import { contents } from "./schema.ts";
import type { Session } from "./session.ts";
import { superseded } from "./superseded-schema.ts";

export class PostgresContentLedger implements ContentLedger {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async generation(sha256: Sha256): Promise<Fence | undefined> {
    const [row] = await this.#session.query((db) =>
      db.select({ fence: contents.fence }).from(contents).where(eq(contents.sha256, sha256)),
    );
    return row === undefined ? undefined : fenceOf(row.fence);
  }

  async unrecorded(objects: readonly ObjectName[]): Promise<readonly ObjectName[]> {
    const named = (table: typeof contents | typeof superseded) =>
      sql`exists (select from ${table} r where r.sha256 = o.sha256 collate "C" and r.fence = o.fence)`;
    const rows = await this.#session.query((db) =>
      db.execute<{ sha256: string; fence: string }>(sql`
        select o.sha256, o.fence from jsonb_to_recordset(${JSON.stringify(objects)}::jsonb) as o(sha256 text, fence bigint)
        where not ${named(contents)} and not ${named(superseded)}`),
    );
    return rows.map(({ sha256, fence }) => objectOf({ sha256, fence: Number(fence) }));
  }

  async touch(reads: ReadonlyMap<Sha256, Reads>): Promise<void> {
    if (reads.size === 0) return;
    // As worthAfterRead has it.
    const turns = sql`least(turns + (capacity.inflation + turns > contents.value)::int, ${TURNS_THAT_COUNT}::int)`;
    const rows = JSON.stringify([...reads].map(([sha256, read]) => [sha256, read.at.toISOString(), read.count]));
    await this.#session.query((db) =>
      db.execute(sql`
        update contents set
          last_read_at = greatest(last_read_at, reads.at),
          hits = hits + reads.count,
          turns = ${turns},
          value = capacity.inflation + ${turns}
        from capacity, (
          select r ->> 0 as sha256, (r ->> 1)::timestamptz as at, (r ->> 2)::bigint as count
          from jsonb_array_elements(${rows}::jsonb) r
        ) reads
        where contents.sha256 = reads.sha256 collate "C"`),
    );
  }

  async nextFence(): Promise<Fence> {
    // The sequence alone may take back, in a crash, a number that it gave away without writing
    // anything: the message makes the commit reach the disk, and the sequence with it.
    const [row] = await this.#session.query((db) =>
      db.execute<{ fence: string }>(
        sql`select nextval('fence') as fence, pg_logical_emit_message(true, 'fence', '') as written`,
      ),
    );
    if (row === undefined) throw new CisternError("internal", "the fence sequence gave nothing");
    return fenceOf(Number(row.fence));
  }
}
