import { desc, eq, getTableColumns, lt, lte, sql } from "drizzle-orm";
import { CisternError } from "../domain/errors.ts";
import {
  KEPT_VERSIONS,
  type NewPolicy,
  type PolicyCatalog,
  type PolicyVersion,
  type PolicyVersionHead,
} from "../domain/policy-catalog.ts";
import { policies } from "./policy-schema.ts";
import type { Session } from "./session.ts";

const { document: _document, ...HEAD } = getTableColumns(policies);

export class PostgresPolicyCatalog implements PolicyCatalog {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async current(): Promise<PolicyVersion | undefined> {
    const [row] = await this.#session.lookUp((db) =>
      db.select().from(policies).orderBy(desc(policies.version)).limit(1),
    );
    return row;
  }

  async replace(expected: number, next: NewPolicy): Promise<PolicyVersion> {
    return await this.#session.transaction(async (tx) => {
      const [newest] = await tx
        .select({ version: policies.version })
        .from(policies)
        .orderBy(desc(policies.version))
        .limit(1);
      const version = expected + 1;
      // Of two that write behind the same version one finds the number taken.
      const [row] =
        (newest?.version ?? 0) === expected
          ? await tx
              .insert(policies)
              .values({ version, ...next })
              .onConflictDoNothing()
              .returning()
          : [];
      if (row === undefined) {
        throw new CisternError("precondition-failed", "the policy has been replaced in the meantime");
      }
      await tx.delete(policies).where(lte(policies.version, version - KEPT_VERSIONS));
      return row;
    });
  }

  async versions(limit: number, before: number | undefined): Promise<readonly PolicyVersionHead[]> {
    return await this.#session.query((db) =>
      db
        .select(HEAD)
        .from(policies)
        .where(before === undefined ? sql`true` : lt(policies.version, before))
        .orderBy(desc(policies.version))
        .limit(limit),
    );
  }

  async find(version: number): Promise<PolicyVersion | undefined> {
    const [row] = await this.#session.query((db) => db.select().from(policies).where(eq(policies.version, version)));
    return row;
  }
}
