import { sql } from "drizzle-orm";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { ContentCatalog, ContentLedger } from "../domain/content-catalog.ts";
import type { Leases } from "../domain/lease.ts";
import type { TokenCatalog } from "../domain/token-catalog.ts";
import { PostgresArtifactCatalog } from "./artifact-catalog.ts";
import { PostgresBlobCatalog } from "./blob-catalog.ts";
import { PostgresContentCatalog } from "./content-catalog.ts";
import { PostgresContentLedger } from "./content-ledger.ts";
import { housekeep } from "./housekeep.ts";
import { PostgresLeases } from "./leases.ts";
import { migrate } from "./migrate.ts";
import { openPglite } from "./pglite/open-pglite.ts";
import { Session } from "./session.ts";
import { PostgresTokenCatalog } from "./token-catalog.ts";

export interface CatalogOptions {
  /** Where the embedded catalog lives: a directory of its own, which nothing else may have open. */
  readonly directory: string;
  /** Limit of one query or transaction, waiting for its turn included. Default 15,000. */
  readonly queryMilliseconds?: number;
  /** Limit of the start; the first one makes the directory. Default 120,000. */
  readonly startMilliseconds?: number;
}

/** The catalog's ports over one database. Everything rejects with `catalog-unavailable` once it is lost. */
export interface Catalog extends AsyncDisposable {
  readonly artifacts: ArtifactCatalog;
  readonly blobs: BlobCatalog;
  readonly contents: ContentCatalog;
  readonly ledger: ContentLedger;
  readonly leases: Leases;
  readonly tokens: TokenCatalog;
  /** Aborted when the database is gone for good and only a new start helps. */
  readonly lost: AbortSignal;
  /** Upkeep that has to be called now and then (every few minutes); bounded in disk and rows by it. */
  housekeep(signal: AbortSignal): Promise<void>;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
}

/** Opens the catalog and brings its schema up to date. `catalog-unavailable` when that fails. */
export async function openCatalog(options: CatalogOptions): Promise<Catalog> {
  const database = await openPglite(options.directory, options.startMilliseconds ?? 120_000);
  try {
    await migrate(database);
  } catch (error) {
    await database.close();
    throw error;
  }
  const session = new Session(database, options.queryMilliseconds ?? 15_000);
  return {
    artifacts: new PostgresArtifactCatalog(session),
    blobs: new PostgresBlobCatalog(session),
    contents: new PostgresContentCatalog(session),
    ledger: new PostgresContentLedger(session),
    leases: new PostgresLeases(session),
    tokens: new PostgresTokenCatalog(session),
    lost: database.lost,
    housekeep: (signal) => housekeep(session, signal),
    async ping() {
      await session.query((db) => db.execute(sql`select 1`));
    },
    [Symbol.asyncDispose]: () => database.close(),
  };
}
