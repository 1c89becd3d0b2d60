import { and, asc, eq, lte, notExists, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { ContentRecord, ObjectName } from "../domain/content.ts";
import type { Admission, Admitted, ContentCatalog, ContentUse, Sparing } from "../domain/content-catalog.ts";
import { admit } from "./admit.ts";
import { condemn } from "./condemn.ts";
import { contentOf, objectOf } from "./content-row.ts";
import { openObjects } from "./replicas.ts";
import { blobs, contents, contentUse } from "./schema.ts";
import type { Session } from "./session.ts";
import { superseded } from "./superseded-schema.ts";

const SPARE_NOTHING: Sparing = { graceMs: 0, spareOpen: false };
/** As heartbeats name it. */
const nameIn = ({ sha256, fence }: typeof contents | typeof superseded) => sql`${sha256} || '/' || ${fence}`;

export class PostgresContentCatalog implements ContentCatalog {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  admit(admission: Admission): Promise<Admitted> {
    return this.#session.transaction((tx) => admit(tx, admission));
  }

  async leastRecentlyRead(limit: number): Promise<readonly ContentRecord[]> {
    const rows = await this.#session.query((db) => {
      const internal = db
        .select({ one: sql`1` })
        .from(blobs)
        .where(and(eq(blobs.contentSha256, contents.sha256), eq(blobs.kind, "internal")));
      return db
        .select()
        .from(contents)
        .where(and(eq(contents.state, "admitted"), notExists(internal)))
        .orderBy(asc(contents.lastReadAt), asc(contents.sha256))
        .limit(limit);
    });
    return rows.map(contentOf);
  }

  condemn(object: ObjectName): Promise<boolean> {
    return this.#session.transaction((tx) => condemn(tx, object));
  }

  async condemned(limit: number, { graceMs, spareOpen }: Sparing = SPARE_NOTHING): Promise<readonly ObjectName[]> {
    const before = sql`clock_timestamp() - ${graceMs} * interval '1 millisecond'`;
    const rows = await this.#session.query((db) => {
      const going = (since: PgColumn, object: SQL) =>
        and(
          graceMs > 0 ? lte(since, before) : undefined,
          spareOpen ? sql`${object} not in ${openObjects(db)}` : undefined,
        );
      const { sha256, fence, condemnedAt } = contents;
      return db
        .select({ sha256, fence, since: condemnedAt })
        .from(contents)
        .where(and(eq(contents.state, "condemned"), going(condemnedAt, nameIn(contents))))
        .unionAll(
          db
            .select({ sha256: superseded.sha256, fence: superseded.fence, since: superseded.supersededAt })
            .from(superseded)
            .where(going(superseded.supersededAt, nameIn(superseded))),
        )
        .orderBy(sql`3, 1`)
        .limit(limit);
    });
    return rows.map(objectOf);
  }

  async forget({ sha256, fence }: ObjectName): Promise<boolean> {
    const [row] = await this.#session.query((db) =>
      db.execute<{ gone: boolean }>(sql`
        with old as (
          delete from ${superseded} where sha256 = ${sha256} and fence = ${fence}::bigint returning 1
        ), condemned as (
          delete from ${contents} where sha256 = ${sha256} and fence = ${fence}::bigint and state = 'condemned' returning 1
        ) select exists (select from old) or exists (select from condemned) as gone`),
    );
    return row?.gone === true;
  }

  async use(): Promise<ContentUse> {
    const [row] = await this.#session.query((db) =>
      db
        .select({
          count: sql<string>`coalesce(sum(${contentUse.count}), 0)`,
          bytes: sql<string>`coalesce(sum(${contentUse.bytes}), 0)`,
          condemnedBytes: sql<string>`coalesce(sum(${contentUse.bytes}) filter (where ${contentUse.class} = 'condemned'), 0)`,
        })
        .from(contentUse),
    );
    return {
      count: Number(row?.count ?? 0),
      bytes: Number(row?.bytes ?? 0),
      condemnedBytes: Number(row?.condemnedBytes ?? 0),
    };
  }
}
