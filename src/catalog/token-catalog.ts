import { eq, sql } from "drizzle-orm";
import { CisternError } from "../domain/errors.ts";
import type { TokenId, TokenRecord } from "../domain/token.ts";
import type { TokenCatalog } from "../domain/token-catalog.ts";
import { tokenId } from "./row-ids.ts";
import { tokens } from "./schema.ts";
import type { Session } from "./session.ts";

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

  async list(): Promise<readonly TokenRecord[]> {
    const rows = await this.#session.query((db) => db.select().from(tokens).orderBy(tokens.createdAt, tokens.id));
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
