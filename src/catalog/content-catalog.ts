import { and, asc, eq, lte, notExists, sql } from "drizzle-orm";
import type { ContentRecord, ObjectName } from "../domain/content.ts";
import type { Admission, Admitted, ContentCatalog, ContentUse, Sparing } from "../domain/content-catalog.ts";
import { admit } from "./admit.ts";
import { condemn } from "./condemn.ts";
import { contentOf, objectOf } from "./content-row.ts";
import { openObjects } from "./replicas.ts";
import { blobs, contents, contentUse } from "./schema.ts";
import type { Session } from "./session.ts";

const SPARE_NOTHING: Sparing = { graceMs: 0, spareOpen: false };
/** As heartbeats name it. */
const objectText = sql`${contents.sha256} || '/' || ${contents.fence}`;

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
    const rows = await this.#session.query((db) =>
      db
        .select({ sha256: contents.sha256, fence: contents.fence })
        .from(contents)
        .where(
          and(
            eq(contents.state, "condemned"),
            graceMs > 0 ? lte(contents.condemnedAt, before) : undefined,
            spareOpen ? sql`${objectText} not in ${openObjects(db)}` : undefined,
          ),
        )
        .orderBy(asc(contents.condemnedAt), asc(contents.sha256))
        .limit(limit),
    );
    return rows.map(objectOf);
  }

  async forget(object: ObjectName): Promise<boolean> {
    const gone = await this.#session.query((db) =>
      db
        .delete(contents)
        .where(
          and(eq(contents.sha256, object.sha256), eq(contents.fence, object.fence), eq(contents.state, "condemned")),
        )
        .returning({ sha256: contents.sha256 }),
    );
    return gone.length > 0;
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
