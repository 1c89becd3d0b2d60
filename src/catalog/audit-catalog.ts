import { and, desc, eq, gte, lt, type SQL, sql } from "drizzle-orm";
import type {
  AuditCatalog,
  AuditCursor,
  AuditFilter,
  AuditRecord,
  ListedAuditRecord,
} from "../domain/audit-catalog.ts";
import { audit, INDEXED } from "./audit-schema.ts";
import { tokens } from "./schema.ts";
import type { Session } from "./session.ts";

/** Rows that one statement writes. */
const BATCH = 250;

export class PostgresAuditCatalog implements AuditCatalog {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async append(records: readonly AuditRecord[]): Promise<void> {
    await this.#session.transaction(async (tx) => {
      for (let at = 0; at < records.length; at += BATCH) {
        const values = records.slice(at, at + BATCH).map(rowOf);
        await tx.insert(audit).values(values).onConflictDoNothing({ target: audit.entry });
      }
    });
  }

  async list(
    filter: AuditFilter,
    after: AuditCursor | undefined,
    limit: number,
  ): Promise<readonly ListedAuditRecord[]> {
    const rows = await this.#session.query((db) =>
      db
        .select()
        .from(audit)
        .where(and(...conditions(filter), after === undefined ? undefined : older(after)))
        .orderBy(desc(audit.at), desc(audit.id))
        .limit(limit),
    );
    return rows.map((row) => ({
      ...row,
      actorName: row.actorName ?? undefined,
      before: row.before ?? undefined,
      after: row.after ?? undefined,
    }));
  }

  async expire(before: Date, most: number): Promise<number> {
    return await this.#session.transaction(async (tx) => {
      // For this transaction alone: the table's trigger lets nobody else delete.
      await tx.execute(sql`select set_config('cistern.audit_retention', 'on', true)`);
      const oldest = tx
        .select({ id: audit.id })
        .from(audit)
        .where(lt(audit.at, before))
        .orderBy(audit.at, audit.id)
        .limit(most);
      const gone = await tx.delete(audit).where(sql`${audit.id} in (${oldest})`).returning({ one: sql`1` });
      return gone.length;
    });
  }
}

function rowOf({ roles, before, after, ...rest }: AuditRecord) {
  const actorName = sql`(select ${tokens.name} from ${tokens} where ${tokens.id} = ${rest.actor})`;
  return { ...rest, roles: [...roles], before: before ?? null, after: after ?? null, actorName };
}

function conditions(filter: AuditFilter): (SQL | undefined)[] {
  const { kind, actor, project, address, action, object, from, to } = filter;
  return [
    // As the partial index says it: with a parameter the planner would not know it by it.
    kind === undefined ? undefined : kind === "change" ? sql`kind = 'change'` : sql`kind = 'egress'`,
    actor === undefined ? undefined : eq(audit.actor, actor),
    project === undefined ? undefined : eq(audit.project, project),
    address === undefined ? undefined : eq(audit.address, address),
    action === undefined ? undefined : matches(sql`${audit.action}`, action),
    object === undefined ? undefined : matchesObject(object),
    from === undefined ? undefined : gte(audit.at, from),
    to === undefined ? undefined : lt(audit.at, to),
  ];
}

const HEAD = sql.raw(`left(object, ${INDEXED})`);

function matchesObject(pattern: string): SQL | undefined {
  const { length } = [...pattern];
  if (pattern.endsWith("*")) {
    return length <= INDEXED ? matches(HEAD, pattern) : matches(sql`${audit.object}`, pattern);
  }
  return sql`${HEAD} = left(${pattern}, ${sql.raw(String(INDEXED))}) and ${audit.object} = ${pattern}`;
}

/** Equal, or begins so. As a range, which an index has; LIKE would take wildcards from the pattern. */
function matches(what: SQL, pattern: string): SQL | undefined {
  if (!pattern.endsWith("*")) return sql`${what} = ${pattern}`;
  const prefix = pattern.slice(0, -1);
  const next = successor(prefix);
  return next === undefined ? undefined : sql`${what} >= ${prefix} and ${what} < ${next}`;
}

/** The least text above all that begin so, by code points as the columns compare; undefined: there is none. */
function successor(prefix: string): string | undefined {
  const points = [...prefix];
  const last = points.pop()?.codePointAt(0);
  if (last === undefined) return undefined;
  if (last === 0x10ffff) return successor(points.join(""));
  return points.join("") + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
}

function older({ at, id }: AuditCursor): SQL {
  return sql`(${audit.at}, ${audit.id}) < (${at.toISOString()}::timestamptz, ${id})`;
}
