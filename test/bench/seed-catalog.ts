import { type SQL, sql } from "drizzle-orm";
import { openPglite } from "../../src/catalog/pglite/open-pglite.ts";

/**
 * Fills a catalog that exists, and that nobody has open, with so many artifacts and blobs, and
 * changes each blob once: as many dead rows wait for the housekeeping.
 */
export async function seedCatalog(directory: string, rows: number): Promise<void> {
  const { query, close } = await openPglite(directory, 60_000);
  const run = (statement: SQL) => query((db) => db.execute(statement), AbortSignal.timeout(600_000));
  try {
    await run(sql`
      insert into artifacts (id, type, name, version, version_key, owner)
      select 'seed-' || n, 'images', 'seeded image ' || n, '0.0.0', '0', 'seed' from generate_series(1, ${rows}::int) n`);
    await run(sql`
      insert into blobs (id, artifact_id, field, kind, url, set_by, sha256, digest_source, content_type)
      select 'seed-' || n, 'seed-' || n, 'image', 'external', 'http://origin.test/images/' || n, 'admin',
             encode(sha256(n::text::bytea), 'hex'), 'given', 'application/octet-stream'
      from generate_series(1, ${rows}::int) n`);
    await run(sql`update blobs set updated_at = clock_timestamp()`);
  } finally {
    await close();
  }
}
