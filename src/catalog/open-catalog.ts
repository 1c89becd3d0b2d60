import { type Catalog, catalogOver } from "./catalog.ts";
import type { Database } from "./database.ts";
import { migrate } from "./migrate.ts";
import { openPglite } from "./pglite/open-pglite.ts";
import { openPostgres, type ServerOptions } from "./postgres/open-postgres.ts";
import { warmUp } from "./warm-up.ts";

export type { Catalog } from "./catalog.ts";

interface CommonOptions {
  /** Limit of one query or transaction, waiting for its turn included. Default 15,000 embedded, 10,000 on a server. */
  readonly queryMilliseconds?: number | undefined;
}

/** The catalog in this process. */
export interface EmbeddedCatalogOptions extends CommonOptions {
  /** Where the embedded catalog lives: a directory of its own, which nothing else may have open. */
  readonly directory: string;
  /** Limit of the start; the first one makes the directory. Default 120,000. */
  readonly startMilliseconds?: number | undefined;
}

/** The catalog on a server, which other processes use at the same time. */
export interface ServerCatalogOptions extends CommonOptions, ServerOptions {}

export type CatalogOptions = EmbeddedCatalogOptions | ServerCatalogOptions;

const EMBEDDED_QUERY_MS = 15_000;
/** Clients wait for it: a server that hangs is told of within this time. */
const SERVER_QUERY_MS = 10_000;

/**
 * Opens the catalog and brings its schema up to date. `catalog-unavailable` when the embedded one
 * does not start; `invalid-config`, with what to set, when the server cannot be used.
 */
export async function openCatalog(options: CatalogOptions): Promise<Catalog> {
  const database = await openDatabase(options);
  const catalog = catalogOver(database, queryMillisecondsOf(options));
  try {
    if (database.embedded) await warmUp(catalog);
    return catalog;
  } catch (error) {
    await catalog[Symbol.asyncDispose]();
    throw error;
  }
}

/** The same, for what is done to a catalog as a whole. */
export async function openDatabase(options: CatalogOptions): Promise<Database> {
  return "url" in options ? await openPostgres(options, queryMillisecondsOf(options)) : await openEmbedded(options);
}

async function openEmbedded(options: EmbeddedCatalogOptions): Promise<Database> {
  const database = await openPglite(options.directory, options.startMilliseconds ?? 120_000);
  try {
    await migrate(database);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

function queryMillisecondsOf(options: CatalogOptions): number {
  return options.queryMilliseconds ?? ("url" in options ? SERVER_QUERY_MS : EMBEDDED_QUERY_MS);
}
