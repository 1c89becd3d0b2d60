import { asc, eq, sql } from "drizzle-orm";
import type { Block, Blocks } from "../domain/blocks.ts";
import { type Sha256, sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import { blocks } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

export class PostgresBlocks implements Blocks {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async put(digest: Sha256, reason: string, by: string): Promise<Block> {
    const values = { sha256: digest, reason, blockedBy: by };
    const set = { reason, blockedBy: by, blockedAt: sql`clock_timestamp()` };
    const [row] = await this.#session.query((db) =>
      db.insert(blocks).values(values).onConflictDoUpdate({ target: blocks.sha256, set }).returning(),
    );
    if (row === undefined) throw new CisternError("internal", "the block was not written");
    return blockOf(row);
  }

  async lift(digest: Sha256): Promise<Block | undefined> {
    const [row] = await this.#session.query((db) => db.delete(blocks).where(eq(blocks.sha256, digest)).returning());
    return row === undefined ? undefined : blockOf(row);
  }

  async find(digest: Sha256): Promise<Block | undefined> {
    const [row] = await this.#session.query((db) => db.select().from(blocks).where(eq(blocks.sha256, digest)));
    return row === undefined ? undefined : blockOf(row);
  }

  // Without a limit: what is left out would be served.
  async list(): Promise<readonly Block[]> {
    const rows = await this.#session.query((db) => db.select().from(blocks).orderBy(asc(blocks.sha256)));
    return rows.map(blockOf);
  }
}

/** `content-blocked` when these bytes are; within the transaction that would let them in. */
export async function requireNotBlocked(tx: Queries, digest: Sha256): Promise<void> {
  const [row] = await tx.select({ one: sql`1` }).from(blocks).where(eq(blocks.sha256, digest)).for("share");
  if (row !== undefined) throw new CisternError("content-blocked", "these bytes are blocked");
}

export function blockOf(row: typeof blocks.$inferSelect): Block {
  return { sha256: sha256(row.sha256), reason: row.reason, blockedBy: row.blockedBy, blockedAt: row.blockedAt };
}
