import { and, eq, inArray, isNotNull, lt, sql } from "drizzle-orm";
import { CisternError, type ErrorCode } from "../domain/errors.ts";
import type { FillEntry, FillFacts, FillId } from "../domain/fill-entry.ts";
import type { ClaimLimits, FillOutcome, FillProgress, FillUpkeep, FillWork } from "../domain/fill-queue.ts";
import { claimEnds, claimFill } from "./claim-fill.ts";
import { demandRow, fillOf } from "./fill-row.ts";
import { DEMAND_FAILED, fills } from "./fill-schema.ts";
import type { Session } from "./session.ts";

const NOW = sql`clock_timestamp()`;
/** A replica that is asked to stop a fill and does not answer for so long is gone, and the fill with it. */
const ORDER_MS = 60_000;
const MAX_MESSAGE = 1_000;
const REFUND = { attempts: sql`greatest(0, ${fills.attempts} - 1)` };
const ENDED = { claimedUntil: null, cancel: null, rate: 0, followers: 0, endedAt: NOW } as const;

export class PostgresFillWork implements FillWork, FillUpkeep {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  claim(
    kind: "prefetch" | "query",
    holder: string,
    limits: ClaimLimits,
    milliseconds: number,
  ): Promise<FillEntry | undefined> {
    return this.#session.transaction((tx) => claimFill(tx, kind, holder, limits, milliseconds));
  }

  async renew(holder: string, told: readonly FillProgress[], milliseconds: number): Promise<readonly FillEntry[]> {
    const [rows, orders] = await Promise.all([
      told.length === 0 ? [] : this.#renew(holder, told, milliseconds),
      this.#session.lookUp((db) =>
        db
          .select()
          .from(fills)
          .where(and(eq(fills.holder, holder), eq(fills.state, "running"), eq(fills.kind, "demand"))),
      ),
    ]);
    return [...rows, ...orders].map(fillOf);
  }

  async finish(id: FillId, holder: string, outcome: FillOutcome): Promise<void> {
    await this.#session.query((db) =>
      db
        .update(fills)
        .set(changeOf(outcome))
        .where(and(eq(fills.id, id), eq(fills.holder, holder), eq(fills.state, "running"))),
    );
  }

  async releaseAll(holder: string, counted: boolean): Promise<void> {
    const own = and(eq(fills.holder, holder), eq(fills.state, "running"));
    await this.#session.transaction(async (tx) => {
      await tx.delete(fills).where(and(own, eq(fills.kind, "demand")));
      // A query that has begun is told of as running until all its parts have ended.
      await tx
        .update(fills)
        .set({ claimedUntil: NOW })
        .where(and(own, eq(fills.kind, "query")));
      await tx
        .update(fills)
        .set({
          state: "queued",
          claimedUntil: null,
          readyAt: NOW,
          rate: 0,
          followers: 0,
          ...(counted ? {} : REFUND),
        })
        .where(and(own, eq(fills.kind, "prefetch")));
    });
  }

  async order(fill: FillFacts, askedBy: string, force: boolean): Promise<FillEntry> {
    const cancel = force ? "forced" : "asked";
    const [row] = await this.#session.query((db) =>
      db
        .insert(fills)
        .values({ ...demandRow(fill), askedBy, cancel, claimedUntil: claimEnds(ORDER_MS) })
        .onConflictDoUpdate({ target: fills.id, set: { cancel } })
        .returning(),
    );
    if (row === undefined) throw new CisternError("internal", "the order was not written");
    return fillOf(row);
  }

  async note(fill: FillFacts, code: ErrorCode, message: string): Promise<void> {
    const error = { errorCode: code, errorMessage: message.slice(0, MAX_MESSAGE) };
    const row = { ...demandRow(fill), ...error, state: "failed" as const, attempts: 1, rate: 0, endedAt: NOW };
    const { name, source, origin, project, bytes, total, holder, startedAt } = row;
    const again = { ...error, name, source, origin, project, bytes, holder, endedAt: NOW };
    await this.#session.query((db) =>
      db
        .insert(fills)
        .values(row)
        .onConflictDoUpdate({
          target: [fills.artifactId, fills.field, fills.key],
          targetWhere: DEMAND_FAILED,
          set: { ...again, total: total ?? null, startedAt: startedAt ?? null, attempts: sql`${fills.attempts} + 1` },
        }),
    );
  }

  async expire(): Promise<number> {
    const late = and(eq(fills.state, "queued"), lt(fills.deadline, NOW));
    const failed = await this.#session.query((db) =>
      db
        .update(fills)
        .set({
          ...ENDED,
          state: "failed",
          errorCode: "deadline-passed",
          errorMessage: "its deadline passed while it waited",
        })
        .where(late)
        .returning({ id: fills.id }),
    );
    const unheard = and(eq(fills.kind, "demand"), eq(fills.state, "running"), lt(fills.claimedUntil, NOW));
    await this.#session.query((db) => db.delete(fills).where(unheard));
    return failed.length;
  }

  async prune(milliseconds: number, most: number): Promise<number> {
    // What a query that goes on has done is counted by its rows.
    const open = sql`exists (select from ${fills} q where q.id = ${fills}.parent and q.ended_at is null)`;
    const old = sql`${fills.endedAt} < clock_timestamp() - ${milliseconds} * interval '1 millisecond'`;
    const beyond = sql`(select e.id from ${fills} e where e.ended_at is not null order by e.ended_at desc, e.id desc offset ${most})`;
    const gone = await this.#session.query((db) =>
      db
        .delete(fills)
        .where(and(isNotNull(fills.endedAt), sql`not ${open}`, sql`(${old} or ${fills.id} in ${beyond})`))
        .returning({ id: fills.id }),
    );
    return gone.length;
  }

  async #renew(holder: string, told: readonly FillProgress[], milliseconds: number) {
    const rows = JSON.stringify(told.map((one) => ({ ...one, total: one.total ?? null, rate: Math.round(one.rate) })));
    const column = (name: string) =>
      sql`(select v.${sql.raw(name)} from jsonb_to_recordset(${rows}::text::jsonb) as v(id text, bytes bigint, total bigint, rate bigint, followers integer) where v.id = ${fills.id})`;
    return await this.#session.query((db) =>
      db
        .update(fills)
        .set({
          claimedUntil: claimEnds(milliseconds),
          bytes: column("bytes"),
          total: column("total"),
          rate: column("rate"),
          followers: column("followers"),
        })
        .where(
          and(
            inArray(
              fills.id,
              told.map(({ id }) => id),
            ),
            eq(fills.holder, holder),
            eq(fills.state, "running"),
          ),
        )
        .returning(),
    );
  }
}

function changeOf(outcome: FillOutcome) {
  switch (outcome.state) {
    case "done":
    case "cancelled":
      return { ...ENDED, state: outcome.state, bytes: outcome.bytes };
    case "failed":
      return {
        ...ENDED,
        state: outcome.state,
        errorCode: outcome.code,
        errorMessage: outcome.message.slice(0, MAX_MESSAGE),
      };
    case "queued":
      return {
        state: outcome.state,
        claimedUntil: null,
        readyAt: claimEnds(outcome.pause),
        rate: 0,
        followers: 0,
        errorCode: outcome.code ?? null,
        errorMessage: outcome.message?.slice(0, MAX_MESSAGE) ?? null,
        ...(outcome.counted ? {} : REFUND),
      };
    case "running":
      return { claimedUntil: claimEnds(outcome.pause), query: outcome.query };
  }
}
