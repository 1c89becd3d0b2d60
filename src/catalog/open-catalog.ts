import { type Catalog, catalogOver } from "./catalog.ts";
import { migrate } from "./migrate.ts";
import { openPglite } from "./pglite/open-pglite.ts";
import { warmUp } from "./warm-up.ts";

export type { Catalog } from "./catalog.ts";

export interface CatalogOptions {
  /** Where the embedded catalog lives: a directory of its own, which nothing else may have open. */
  readonly directory: string;
  /** Limit of one query or transaction, waiting for its turn included. Default 15,000. */
  readonly queryMilliseconds?: number;
  /** Limit of the start; the first one makes the directory. Default 120,000. */
  readonly startMilliseconds?: number;
}

/** Opens the catalog and brings its schema up to date. `catalog-unavailable` when that fails. */
export async function openCatalog(options: CatalogOptions): Promise<Catalog> {
  const database = await openPglite(options.directory, options.startMilliseconds ?? 120_000);
  try {
    await migrate(database);
    const catalog = catalogOver(database, options.queryMilliseconds ?? 15_000);
    await warmUp(catalog);
    return catalog;
  } catch (error) {
    await database.close();
    throw error;
  }
}
