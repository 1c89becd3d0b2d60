import { and, eq, sql } from "drizzle-orm";
import { unionAll } from "drizzle-orm/pg-core";
import {
  type CapacityCatalog,
  type CapacityRecord,
  type CapacitySettings,
  type CapacityUse,
  CLASSES,
  type Pin,
  USUAL,
} from "../domain/capacity.ts";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import { columnOf, settingsOf } from "./capacity-settings.ts";
import { capacity, contents, contentUse, reservations } from "./schema.ts";
import type { Queries, Session } from "./session.ts";
import { superseded } from "./superseded-schema.ts";
import { lockedContent } from "./write-content.ts";

export class PostgresCapacityCatalog implements CapacityCatalog {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async settings(): Promise<CapacityRecord> {
    const [row] = await this.#session.lookUp((db) => db.select().from(capacity));
    return recordOf(row);
  }

  async replace(settings: CapacitySettings, expected: number, by: string): Promise<CapacityRecord> {
    const [row] = await this.#session.query((db) =>
      db
        .update(capacity)
        .set({
          settings: columnOf(settings),
          revision: sql`${capacity.revision} + 1`,
          updatedAt: sql`clock_timestamp()`,
          updatedBy: by,
        })
        .where(eq(capacity.revision, expected))
        .returning(),
    );
    if (row === undefined) throw new CisternError("precondition-failed", "the settings have changed meanwhile");
    return recordOf(row);
  }

  async use(): Promise<CapacityUse> {
    const rows = await this.#session.query((db) => {
      const { project, origin, bytes, count } = contentUse;
      const used = db
        .select({ class: sql<string>`${contentUse.class}`, project, origin, bytes, count })
        .from(contentUse);
      // One statement: what is admitted at this moment is reserved or content, never both.
      return unionAll(
        used.where(sql`${count} > 0`),
        db
          .select({
            class: sql<string>`'reserved'`,
            project: reservations.project,
            origin: reservations.origin,
            bytes: sql<number>`sum(${reservations.bytes})::bigint`.mapWith(Number),
            count: sql<number>`count(*)`.mapWith(Number),
          })
          .from(reservations)
          .groupBy(reservations.project, reservations.origin),
        // Of nobody's account any more: the content counts under the object that it lies under now.
        db
          .select({
            class: sql<string>`'condemned'`,
            project: sql<string>`''`,
            origin: sql<string>`''`,
            bytes: sql<number>`sum(${superseded.size})::bigint`.mapWith(Number),
            count: sql<number>`count(*)`.mapWith(Number),
          })
          .from(superseded)
          .having(sql`count(*) > 0`),
      );
    });
    const reserved = rows.filter((row) => row.class === "reserved");
    const classes = rows.flatMap((row) => {
      const name = CLASSES.find((known) => known === row.class);
      return name === undefined ? [] : [{ ...row, class: name }];
    });
    return { classes, reserved: reserved.map(({ class: _, ...row }) => row) };
  }

  async pin(sha256: Sha256, { reason, until, by }: Pin, configured: number): Promise<void> {
    await this.#session.transaction(async (tx) => {
      const most = await pinLimit(tx, configured);
      const row = await lockedContent(tx, sha256);
      if (row?.state !== "admitted") throw notFound();
      // What is pinned already, or internal, holds no more by it.
      if (row.pinReason === null && row.internalRefs === 0 && (await pinnedBytes(tx)) + row.size > most) {
        throw new CisternError("pin-limit", `pins may hold ${most} bytes together, and this one has ${row.size}`);
      }
      await tx
        .update(contents)
        .set({ pinReason: reason, pinnedUntil: until ?? null, pinnedBy: by })
        .where(eq(contents.sha256, sha256));
    });
  }

  async unpin(sha256: Sha256): Promise<void> {
    const gone = await this.#session.query((db) =>
      db
        .update(contents)
        .set({ pinReason: null, pinnedUntil: null, pinnedBy: null })
        .where(and(eq(contents.sha256, sha256), eq(contents.state, "admitted")))
        .returning({ sha256: contents.sha256 }),
    );
    if (gone.length === 0) throw notFound();
  }
}

/** Under the ledger's lock: two pins at once are counted one after the other. */
async function pinLimit(tx: Queries, configured: number): Promise<number> {
  const [row] = await tx.select().from(capacity).for("update");
  const { settings } = recordOf(row);
  return settings.pinMaxBytes ?? Math.floor((settings.cacheBytes ?? configured) * USUAL.pinPart);
}

/** Without the pins whose time is over. */
async function pinnedBytes(tx: Queries): Promise<number> {
  await tx.execute(sql`select end_pins()`);
  const [row] = await tx
    .select({ bytes: sql<string>`coalesce(sum(${contentUse.bytes}), 0)` })
    .from(contentUse)
    .where(eq(contentUse.class, "pinned"));
  return Number(row?.bytes ?? 0);
}

function recordOf(row: typeof capacity.$inferSelect | undefined): CapacityRecord {
  if (row === undefined) throw new CisternError("internal", "the catalog has lost the row of its capacity");
  const { settings, revision, updatedAt, updatedBy } = row;
  return { settings: settingsOf(settings), revision, updatedAt, updatedBy: updatedBy ?? undefined };
}

function notFound(): CisternError {
  return new CisternError("content-not-found", "there is no such content");
}
