import { eq, type SQL, sql } from "drizzle-orm";
import { CisternError, invalid } from "../domain/errors.ts";
import type { TokenId, TokenRecord } from "../domain/token.ts";
import type { TokenCatalog } from "../domain/token-catalog.ts";
import { tokenId } from "./row-ids.ts";
import { tokens } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

export class PostgresTokenCatalog implements TokenCatalog {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async put(token: TokenRecord, secretHash: string): Promise<void> {
    const { id, ...rest } = token;
    const values = {
      ...rest,
      roles: [...token.roles],
      cidrs: [...token.cidrs],
      expiresAt: token.expiresAt ?? null,
      revokedAt: token.revokedAt ?? null,
      secretHash,
    };
    await this.#session.query((db) =>
      db
        .insert(tokens)
        .values({ id, ...values })
        .onConflictDoUpdate({ target: tokens.id, set: values }),
    );
  }

  async findByHash(secretHash: string): Promise<TokenRecord | undefined> {
    const [row] = await this.#session.lookUp((db) => db.select().from(tokens).where(eq(tokens.secretHash, secretHash)));
    return row === undefined ? undefined : tokenOf(row);
  }

  async list(limit: number, after: TokenId | undefined): Promise<readonly TokenRecord[]> {
    const rows = await this.#session.query(async (db) => {
      const behind = after === undefined ? undefined : await behindToken(db, after);
      return await db.select().from(tokens).where(behind).orderBy(tokens.createdAt, tokens.id).limit(limit);
    });
    return rows.map(tokenOf);
  }

  async revoke(id: TokenId): Promise<TokenRecord> {
    const [row] = await this.#session.query((db) =>
      db
        .update(tokens)
        .set({ revokedAt: sql`coalesce(${tokens.revokedAt}, clock_timestamp())` })
        .where(eq(tokens.id, id))
        .returning(),
    );
    if (row === undefined) throw new CisternError("token-not-found", "there is no such token");
    return tokenOf(row);
  }
}

/** The time is compared inside the database: a Date has lost its microseconds. */
async function behindToken(db: Queries, id: TokenId): Promise<SQL> {
  const [found] = await db
    .select({ createdAt: sql<string>`${tokens.createdAt}::text` })
    .from(tokens)
    .where(eq(tokens.id, id));
  if (found === undefined) throw invalid("query.after", "must be the id of a token in the list");
  return sql`(${tokens.createdAt}, ${tokens.id}) > (${found.createdAt}::timestamptz, ${id})`;
}

function tokenOf(row: typeof tokens.$inferSelect): TokenRecord {
  return {
    id: tokenId(row.id),
    name: row.name,
    project: row.project,
    roles: row.roles,
    cidrs: row.cidrs,
    createdAt: row.createdAt,
    expiresAt: row.expiresAt ?? undefined,
    revokedAt: row.revokedAt ?? undefined,
  };
}
