import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { type Catalog, catalogOver } from "../../../src/catalog/catalog.ts";
import type { Database, Queries } from "../../../src/catalog/database.ts";

interface Statement {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string | undefined;
  readonly "Index Name"?: string | undefined;
  readonly "Shared Hit Blocks": number;
  readonly "Shared Read Blocks": number;
  readonly Plans?: readonly PlanNode[] | undefined;
}

const nodeSchema: z.ZodType<PlanNode> = z.lazy(() =>
  z.object({
    "Node Type": z.string(),
    "Relation Name": z.string().optional(),
    "Index Name": z.string().optional(),
    "Shared Hit Blocks": z.number(),
    "Shared Read Blocks": z.number(),
    Plans: z.array(nodeSchema).optional(),
  }),
);
const planSchema = z.array(z.object({ Plan: nodeSchema }));
const noLimit = new AbortController().signal;

/** How Postgres goes about a statement. */
export interface Plan {
  /** Tables that are read from end to end. */
  readonly scanned: ReadonlySet<string>;
  readonly indexes: ReadonlySet<string>;
  /** Blocks of tables and indexes that it looked at, one as often as it did. */
  readonly blocks: number;
}

/** A catalog whose statements are noted, and explained afterwards. */
export class WatchedCatalog {
  readonly catalog: Catalog;
  readonly #database: Database;
  #noted: Statement[] | undefined;

  constructor(database: Database) {
    this.#database = database;
    this.catalog = catalogOver(
      {
        ...database,
        lost: database.lost,
        query: (run, late) => database.query((db) => run(this.#noting(db)), late),
        transaction: (body, late) => database.transaction((tx) => body(this.#noting(tx)), late),
        close: () => database.close(),
      },
      120_000,
    );
  }

  /** Runs statements of the test's own. */
  run<T>(body: (tx: Queries) => Promise<T>): Promise<T> {
    return this.#database.transaction(body, noLimit);
  }

  query<T>(body: (db: Queries) => PromiseLike<T>): Promise<T> {
    return this.#database.query(body, noLimit);
  }

  /** The plans of all statements that `call` runs. */
  async plans(call: () => Promise<unknown>): Promise<readonly Plan[]> {
    const noted: Statement[] = [];
    this.#noted = noted;
    try {
      await call();
    } finally {
      this.#noted = undefined;
    }
    const plans: Plan[] = [];
    for (const statement of noted) plans.push(await this.#explain(statement));
    return plans;
  }

  async #explain({ text, parameters }: Statement): Promise<Plan> {
    const pieces = text
      .split(/\$(\d+)/)
      .map((piece, at): SQL => (at % 2 === 0 ? sql.raw(piece) : sql`${sql.param(parameters[Number(piece) - 1])}`));
    const [row] = await this.query((db) =>
      db.execute<{ "QUERY PLAN": unknown }>(
        sql`explain (analyze, buffers, timing off, format json) ${sql.join(pieces)}`,
      ),
    );
    const found = row?.["QUERY PLAN"];
    const [plan] = planSchema.parse(typeof found === "string" ? JSON.parse(found) : found);
    const scanned = new Set<string>();
    const indexes = new Set<string>();
    const walk = (node: PlanNode): void => {
      if (node["Node Type"] === "Seq Scan") scanned.add(node["Relation Name"] ?? "");
      if (node["Index Name"] !== undefined) indexes.add(node["Index Name"]);
      for (const child of node.Plans ?? []) walk(child);
    };
    if (plan === undefined) throw new Error("Postgres explains nothing");
    walk(plan.Plan);
    return { scanned, indexes, blocks: plan.Plan["Shared Hit Blocks"] + plan.Plan["Shared Read Blocks"] };
  }

  /** The driver's adapter has no public way to be told of statements after it was made. */
  #noting(db: Queries): Queries {
    const session: unknown = Reflect.get(db, "session");
    if (typeof session !== "object" || session === null) throw new Error("drizzle keeps its session elsewhere now");
    const logQuery = (text: string, parameters: readonly unknown[]) => this.#noted?.push({ text, parameters });
    Reflect.set(session, "logger", { logQuery });
    return db;
  }
}
