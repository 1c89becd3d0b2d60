import { randomUUID } from "node:crypto";
import { and, eq, isNull, lt, sql } from "drizzle-orm";
import type { Claim, FirstAnswers } from "../domain/first-answers.ts";
import { firstAnswers } from "./first-answer-schema.ts";
import type { Session } from "./session.ts";

const EXPIRED = lt(firstAnswers.claimedAt, sql`clock_timestamp() - interval '24 hours'`);
const ABANDONED = and(
  isNull(firstAnswers.answer),
  lt(firstAnswers.claimedAt, sql`clock_timestamp() - interval '10 minutes'`),
);

export class PostgresFirstAnswers implements FirstAnswers {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async claim(key: string, fingerprint: string): Promise<Claim> {
    const claim = randomUUID();
    const fresh = { fingerprint, claim, answer: null, claimedAt: sql`clock_timestamp()` };
    // Requests with a key are few, and expired ones are found by an index: no job has to do it.
    await this.#session.query((db) => db.delete(firstAnswers).where(EXPIRED));
    const [mine] = await this.#session.query((db) =>
      db
        .insert(firstAnswers)
        .values({ key, fingerprint, claim })
        .onConflictDoUpdate({ target: firstAnswers.key, set: fresh, setWhere: sql`${EXPIRED} or (${ABANDONED})` })
        .returning({ claim: firstAnswers.claim }),
    );
    if (mine !== undefined) return { kind: "first", claim };
    const [row] = await this.#session.query((db) => db.select().from(firstAnswers).where(eq(firstAnswers.key, key)));
    // Released between the two: who asks again soon is the first.
    if (row === undefined) return { kind: "running" };
    if (row.fingerprint !== fingerprint) return { kind: "other" };
    return row.answer === null ? { kind: "running" } : { kind: "answered", answer: row.answer };
  }

  async keep(key: string, claim: string, answer: string): Promise<void> {
    await this.#session.query((db) => db.update(firstAnswers).set({ answer }).where(held(key, claim)));
  }

  async release(key: string, claim: string): Promise<void> {
    await this.#session.query((db) => db.delete(firstAnswers).where(held(key, claim)));
  }
}

function held(key: string, claim: string) {
  return and(eq(firstAnswers.key, key), eq(firstAnswers.claim, claim));
}
