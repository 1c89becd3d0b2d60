import { eq, getTableColumns, inArray, type SQL, sql } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import { ADMIN_TOKEN_ID } from "../domain/token.ts";
import { audit, egressUse, quotas } from "./audit-schema.ts";
import { fills } from "./fill-schema.ts";
import { policies } from "./policy-schema.ts";
import { artifactCounts, artifacts, blobs, blocks, capacity, contents, contentUse, graves, tokens } from "./schema.ts";
import type { Queries, Session } from "./session.ts";
import { locationChecks, tasks } from "./task-schema.ts";

/** Rows that one statement writes. */
const PAGE = 500;
/** The whole move of the records; a page of them takes milliseconds. */
const LIMIT_MS = 6 * 3_600_000;

interface Moving {
  readonly table: PgTable;
  /** What orders the rows and names each. */
  readonly key: SQL;
  /** Which rows move. */
  readonly where: SQL;
  /** What a row `r` of the source is in the target; without it the same. */
  readonly changed?: SQL;
  /** What becomes of a row that the target has. */
  readonly onConflict?: SQL;
}

/**
 * A blob whose content did not come along: an external one has its bytes fetched again; uploaded
 * ones are lost, and the record keeps what they must be (as after the removal of a location).
 */
const WITHOUT_CONTENT = sql`
  r || case when exists (select 1 from ${contents} c where c.sha256 = r ->> 'content_sha256') then '{}'
    when r ->> 'content_sha256' is null then '{}'
    when r ->> 'kind' = 'internal' then '{"content_sha256": null, "kind": null}'
    else '{"content_sha256": null}' end::jsonb`;

/** Nobody runs anything there: what was under way waits again. */
const NOT_HELD = sql`r || '{"state": "queued", "holder": null, "held_until": null}'::jsonb`;
const NOT_RUNNING = sql`
  r || case when r ->> 'state' <> 'running' then '{}'
    when r ->> 'kind' = 'prefetch' then '{"state": "queued", "claimed_until": null}'
    else '{"holder": null}' end::jsonb`;

/** The spool's limit is what the disk of one machine has room for. */
const NOT_OF_THE_DISK = sql`r || jsonb_build_object('settings', (r -> 'settings') - 'spool_bytes')`;

/** In the order of their references. Leases, replicas, reservations, what is counted and the deployment's name belong to where they are. */
const MOVING = {
  // Counted again as their blobs come. Quarantined ones that come along had all their bytes after all.
  contents: {
    table: contents,
    key: sql`sha256`,
    where: sql`state in ('admitted', 'quarantined')`,
    changed: sql`r || '{"internal_refs": 0, "state": "admitted"}'::jsonb`,
  },
  artifacts: { table: artifacts, key: sql`id`, where: sql`true` },
  blobs: { table: blobs, key: sql`id`, where: sql`true`, changed: WITHOUT_CONTENT },
  blocks: { table: blocks, key: sql`sha256`, where: sql`true` },
  capacity: {
    table: capacity,
    key: sql`single::text`,
    where: sql`true`,
    changed: NOT_OF_THE_DISK,
    onConflict: replacing(capacity, "single"),
  },
  checks: { table: locationChecks, key: sql`blob_id`, where: sql`true` },
  /** What projects had fetched, by days. */
  fetched: { table: egressUse, key: sql`jsonb_build_array(day, project)::text collate "C"`, where: sql`true` },
  /** Prefetches that wait: what has become of others stays where it was. */
  fills: {
    table: fills,
    key: sql`id`,
    where: sql`state in ('queued', 'running') and kind <> 'demand'`,
    changed: NOT_RUNNING,
  },
  graves: {
    table: graves,
    // JSON, for no separator is certain not to be in a key.
    key: sql`jsonb_build_array(artifact_id, field, key, caller)::text collate "C"`,
    where: sql`true`,
  },
  /** Purges, scrubs and verifications that are not over; parts are one replica's. */
  jobs: {
    table: tasks,
    key: sql`id`,
    where: sql`state in ('queued', 'running') and parent is null`,
    changed: NOT_HELD,
  },
  policies: { table: policies, key: sql`lpad(version::text, 10, '0')`, where: sql`true` },
  quotas: { table: quotas, key: sql`project`, where: sql`true` },
  // The admin's is what the configuration of the replicas says.
  tokens: {
    table: tokens,
    key: sql`id`,
    where: sql`id <> ${ADMIN_TOKEN_ID}`,
    onConflict: replacing(tokens, "id"),
  },
  // What the target has of its own, or of an earlier move, nobody removes.
  audit: {
    table: audit,
    key: sql`entry`,
    where: sql`true`,
    changed: sql`r || jsonb_build_object('id', nextval('audit_id_seq'))`,
    onConflict: sql`on conflict (entry) do nothing`,
  },
} as const satisfies Readonly<Record<string, Moving>>;

const NAMES = Object.keys(MOVING) as readonly (keyof typeof MOVING)[];

/** Rows of each kind that were moved. */
export type MovedRecords = Readonly<Record<keyof typeof MOVING, number>>;

/**
 * Makes the records of one catalog those of another, all or nothing: what the target held of an
 * earlier move is replaced. Rows keep their values, times to the microsecond. The objects of all
 * contents but those left out must be in the target's store already (I2).
 *
 * @param onRows told how many rows have been written since it was told last
 */
export async function moveRecords(
  from: Session,
  to: Session,
  leftOut: readonly Sha256[],
  onRows: (count: number) => void,
  signal: AbortSignal,
): Promise<MovedRecords> {
  const body = async (tx: Queries): Promise<MovedRecords> => {
    await clear(tx);
    const counts = Object.fromEntries(NAMES.map((name) => [name, 0])) as Record<keyof MovedRecords, number>;
    for (const name of NAMES) {
      for await (const written of copyTable(from, tx, MOVING[name], signal)) {
        counts[name] += written;
        onRows(written);
      }
      if (name === "contents") counts.contents -= await dropContents(tx, leftOut);
    }
    return counts;
  };
  try {
    return await to.transaction(body, LIMIT_MS);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** Whether a catalog holds anything that a move would replace, and whether a server was ever started on it. */
export async function stateOf(session: Session): Promise<{ readonly holds: boolean; readonly started: boolean }> {
  const [row] = await session.query((db) =>
    db.execute<{ holds: boolean; started: boolean }>(sql`
      select exists (select 1 from ${artifacts}) or exists (select 1 from ${contents}) or exists (select 1 from ${blocks})
        or exists (select 1 from ${policies}) or exists (select 1 from ${quotas})
        or exists (select 1 from ${capacity} where updated_by is not null)
        or exists (select 1 from ${tokens} where id <> ${ADMIN_TOKEN_ID}) as holds,
        exists (select 1 from ${tokens} where id = ${ADMIN_TOKEN_ID}) as started`),
  );
  if (row === undefined) throw new CisternError("internal", "the catalog does not tell what it holds");
  return row;
}

async function clear(tx: Queries): Promise<void> {
  // No process listens that would have to be told of each row.
  await tx.execute(sql`select set_config('cistern.embedded', 'on', true), set_config('statement_timeout', '0', true)`);
  await tx.execute(
    sql`truncate ${blobs}, ${artifacts}, ${artifactCounts}, ${contents}, ${contentUse}, ${blocks}, ${egressUse}, ${fills}, ${graves}, ${policies}, ${quotas}, ${locationChecks}, ${tasks}`,
  );
  // Tokens may have been made there since the last move; a server has put its admin's at its start.
  await tx.delete(tokens).where(eq(tokens.id, ADMIN_TOKEN_ID));
}

/** Answers how many went. */
async function dropContents(tx: Queries, sha256s: readonly Sha256[]): Promise<number> {
  let gone = 0;
  for (let at = 0; at < sha256s.length; at += PAGE) {
    const page = sha256s.slice(at, at + PAGE);
    gone += (await tx.delete(contents).where(inArray(contents.sha256, page)).returning({ one: sql`1` })).length;
  }
  return gone;
}

async function* copyTable(
  from: Session,
  tx: Queries,
  { table, key, where, changed = sql`r`, onConflict = sql`` }: Moving,
  signal: AbortSignal,
): AsyncGenerator<number> {
  for (let after = ""; ; ) {
    signal.throwIfAborted();
    // Text from one server to the other: nothing is lost in between.
    const [page] = await from.query((db) =>
      db.execute<{ rows: string | null; last: string | null; count: string }>(sql`
        select jsonb_agg(p.row)::text as rows, max(p.key) as last, count(*) as count from (
          select to_jsonb(t) as row, ${key} as key from ${table} t where ${where} and ${key} > ${after}
          order by ${key} limit ${PAGE}
        ) p`),
    );
    if (page?.rows == null || page.last === null) return;
    await tx.execute(sql`
      insert into ${table} select (jsonb_populate_record(null::${table}, ${changed})).*
      from jsonb_array_elements(${page.rows}::jsonb) r ${onConflict}`);
    yield Number(page.count);
    after = page.last;
  }
}

/** Writes a row over the one that the target has. */
function replacing(table: PgTable, key: string): SQL {
  const columns = Object.values(getTableColumns(table)).map(({ name }) => `"${name}" = excluded."${name}"`);
  return sql.raw(`on conflict (${key}) do update set ${columns.join(", ")}`);
}
