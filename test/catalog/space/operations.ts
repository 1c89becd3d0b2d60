import { sql } from "drizzle-orm";
import fc from "fast-check";
import { z } from "zod";
import type { Session } from "../../../src/catalog/session.ts";

/** Contents and claims that there are at most: few, so that operations meet. */
const SLOTS = 24;
const KEYS = 8;
const PROJECTS = ["alpha", "beta", "gamma"] as const;
const ORIGINS = ["one.example", "two.example"] as const;
const UNIT = 1_000_000;

export interface Share {
  readonly project?: string;
  readonly origin?: string;
  readonly part: number;
}

/** As the settings' column has them. */
export interface Settings {
  readonly cache_bytes: number;
  readonly eviction: "gdsf" | "lru";
  readonly high_watermark: number;
  readonly low_watermark: number;
  readonly shares: readonly Share[];
}

/** Something that happens to the ledger or to contents. */
export type Operation =
  | {
      readonly op: "reserve";
      readonly key: string;
      /** `newer`: another process has taken over what the key is for. `older`: the one that it was taken from. */
      readonly turn: "same" | "newer" | "older";
      readonly project: string;
      readonly origin: string;
      readonly bytes: number;
    }
  | { readonly op: "release"; readonly key: string }
  | { readonly op: "admit"; readonly key: string; readonly slot: number; readonly young: boolean }
  | { readonly op: "read"; readonly slot: number; readonly count: number }
  | { readonly op: "open" | "close" | "condemn"; readonly slot: number }
  | { readonly op: "pin"; readonly slot: number; readonly pin: "held" | "over" | "none" }
  | { readonly op: "internal" | "irreplaceable" | "young"; readonly slot: number; readonly is: boolean }
  | { readonly op: "forget" }
  | { readonly op: "evict"; readonly bytes: number }
  | { readonly op: "down"; readonly going: boolean }
  | { readonly op: "set"; readonly settings: Settings };

const slot = fc.nat(SLOTS - 1);
const key = fc.nat(KEYS - 1).map((n) => `key-${n}`);
const bytes = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 8 })).map((n) => n * UNIT);
const share = fc.record({ part: fc.integer({ min: 1, max: 10 }).map((n) => n / 10) });
const settings: fc.Arbitrary<Settings> = fc.record({
  cache_bytes: fc.integer({ min: 20, max: 120 }).map((n) => n * UNIT),
  eviction: fc.constantFrom("gdsf", "lru"),
  high_watermark: fc.constantFrom(0.95, 0.8, 1),
  low_watermark: fc.constantFrom(0.8, 0.5, 0.1),
  shares: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: share.map(({ part }) => [{ project: "alpha", part }]) },
    {
      weight: 1,
      arbitrary: fc.tuple(share, share).map(([a, b]) => [
        { project: "beta", ...a },
        { origin: "one.example", ...b },
      ]),
    },
  ),
});

const claim = {
  op: fc.constant("reserve" as const),
  key,
  turn: fc.constantFrom("same", "same", "same", "newer", "older"),
  project: fc.constantFrom(...PROJECTS),
  origin: fc.constantFrom(...ORIGINS),
  bytes,
} as const;

/** Weighted so that the cache is full most of the time, and contents live long enough to be read. */
export const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 30, arbitrary: fc.record(claim) as fc.Arbitrary<Operation> },
  { weight: 6, arbitrary: fc.record({ op: fc.constant("release" as const), key }) },
  { weight: 18, arbitrary: fc.record({ op: fc.constant("admit" as const), key, slot, young: fc.boolean() }) },
  {
    weight: 12,
    arbitrary: fc.record({ op: fc.constant("read" as const), slot, count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("open" as const), slot }) },
  { weight: 6, arbitrary: fc.record({ op: fc.constant("close" as const), slot }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("condemn" as const), slot }) },
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant("pin" as const), slot, pin: fc.constantFrom("held", "over", "none") }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constantFrom("internal", "irreplaceable", "young"),
      slot,
      is: fc.oneof({ weight: 1, arbitrary: fc.constant(true) }, { weight: 3, arbitrary: fc.constant(false) }),
    }),
  },
  { weight: 8, arbitrary: fc.constant({ op: "forget" as const }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("evict" as const), bytes }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("down" as const), going: fc.boolean() }) },
  { weight: 1, arbitrary: settings.map((set) => ({ op: "set" as const, settings: set })) },
) as fc.Arbitrary<Operation>;

const answerSchema = z
  .object({
    outcome: z.string().optional(),
    more: z.boolean().optional(),
    victims: z.array(z.looseObject({ sha256: z.string(), fence: z.number(), size: z.number() })),
  })
  .nullable();
export type Answer = z.infer<typeof answerSchema>;

/** What the catalog says of everything after some operations. */
const stateSchema = z.object({
  contents: z.array(z.object({ slot: z.number(), state: z.string(), class: z.string(), size: z.number() })),
  reserved: z.array(z.object({ key: z.string(), bytes: z.number() })),
  use: z.array(z.object({ class: z.string(), bytes: z.number(), count: z.number() })),
  inflation: z.number(),
});
export type State = z.infer<typeof stateSchema>;

/** Makes what runs operations in the server, one after the other, through the functions of the product. */
export async function prepare(session: Session): Promise<void> {
  // What earlier tests left would be looked through by each reset, dead as it is.
  await session.query((db) => db.execute(sql`truncate contents, content_use, reservations, superseded cascade`));
  await session.query((db) => db.execute(sql`create table if not exists test_open (object text primary key)`));
  await session.query((db) => db.execute(sql.raw(APPLY)));
  // Lists go by them, the ledger does not; each would be written with every operation.
  const others = await session.query((db) =>
    db.execute<{ name: string }>(sql`
      select indexname as name from pg_indexes where tablename = 'contents' and indexname not in
        ('contents_pkey', 'contents_fence', 'contents_value', 'contents_least_recent', 'contents_value_of_project',
         'contents_value_of_origin', 'contents_condemned', 'contents_pin_ends', 'contents_fence_unique')
        and not exists (select from pg_constraint where conname = indexname)`),
  );
  for (const { name } of others) await session.query((db) => db.execute(sql`drop index ${sql.identifier(name)}`));
}

export async function reset(session: Session): Promise<void> {
  await session.query((db) =>
    db.execute(
      sql`with a as (delete from contents), b as (delete from reservations), c as (delete from superseded) delete from test_open`,
    ),
  );
  await session.query((db) => db.execute(sql`update capacity set inflation = 0`));
}

/**
 * Runs operations in one transaction; answers what each said.
 * @param first the number of the first one; each has its own
 */
export async function apply(
  session: Session,
  operations: readonly Operation[],
  first: number,
  alone: boolean,
): Promise<readonly Answer[]> {
  const numbered = operations.map((one, index) => ({ ...one, n: first + index }));
  const [row] = await session.transaction((tx) =>
    tx.execute<{ answers: unknown }>(sql`select test_apply(${JSON.stringify(numbered)}::jsonb, ${alone}) as answers`),
  );
  return z.array(answerSchema).parse(row?.answers);
}

export async function stateOf(session: Session): Promise<State> {
  const [row] = await session.query((db) =>
    db.execute<{ state: unknown }>(sql`
      select jsonb_build_object(
        'contents', coalesce((select jsonb_agg(jsonb_build_object(
          'slot', ltrim(sha256, '0')::int - 1, 'state', state, 'class', content_class(c), 'size', size) order by sha256) from contents c), '[]'),
        'reserved', coalesce((select jsonb_agg(jsonb_build_object('key', key, 'bytes', bytes) order by key) from reservations), '[]'),
        'use', coalesce((select jsonb_agg(u) from (select class, sum(bytes) as bytes, sum(count) as count
          from content_use group by class having sum(count) <> 0 or sum(bytes) <> 0 order by class) u), '[]'),
        'inflation', (select inflation from capacity)) as state`),
  );
  return stateSchema.parse(row?.state);
}

/** The digest that a slot stands for; never all zeros. */
export function digestOf(index: number): string {
  return String(index + 1).padStart(64, "0");
}

/**
 * The product's functions decide and evict; what surrounds them (an admission, a read, a pin) is
 * written here as the catalog's code writes it, which the conformance suite shows.
 */
const APPLY = `
create or replace function test_apply(ops jsonb, alone boolean) returns jsonb language plpgsql as $$
declare
  o jsonb;
  a jsonb;
  answers jsonb[] := '{}';
  open text[];
  name text;
  n int;
  held reservations;
begin
  for o in select value from jsonb_array_elements(ops) loop
    a := 'null';
    n := (o ->> 'n')::int;
    name := lpad(((o ->> 'slot')::int + 1)::text, 64, '0');
    open := array(select object from test_open);
    select * into held from reservations where key = o ->> 'key';
    case o ->> 'op'
      when 'reserve' then
        a := reserve_space(o ->> 'key',
          case when held.key is null or o ->> 'turn' = 'newer' then 2 * n when o ->> 'turn' = 'older' then held.fence - 1 else held.fence end,
          'holder', coalesce(held.project, o ->> 'project'), coalesce(held.origin, o ->> 'origin'),
          (o ->> 'bytes')::bigint, 0, alone, open, 500);
      when 'release' then
        perform release_space(held.fence, alone);
      when 'admit' then
        if held.key is not null and not exists (select from contents where sha256 = name and state = 'admitted') then
          insert into contents (sha256, fence, size, state, hits, turns, value, project, origin, keep_until, last_read_at)
          values (name, held.fence, held.bytes, 'admitted', 1, 1, (select inflation from capacity) + 1, held.project, held.origin,
            case when (o ->> 'young')::boolean then 'infinity'::timestamptz end, to_timestamp(n))
          on conflict (sha256) do update set state = 'admitted', fence = excluded.fence, size = excluded.size, hits = 1,
            turns = excluded.turns, value = excluded.value, project = excluded.project, origin = excluded.origin,
            keep_until = excluded.keep_until, last_read_at = excluded.last_read_at, condemned_at = null;
          delete from reservations where fence = held.fence;
        end if;
      when 'read' then
        update contents set last_read_at = to_timestamp(n), hits = hits + (o ->> 'count')::int,
          turns = least(turns + (capacity.inflation + turns > contents.value)::int, 3),
          value = capacity.inflation + least(turns + (capacity.inflation + turns > contents.value)::int, 3)
        from capacity where sha256 = name and state = 'admitted';
      when 'open' then
        insert into test_open select sha256 || '/' || fence from contents where sha256 = name and state = 'admitted' on conflict do nothing;
      when 'close' then
        delete from test_open where object like name || '/%';
      when 'condemn' then
        update contents set state = 'condemned', condemned_at = clock_timestamp() where sha256 = name and state = 'admitted' and internal_refs = 0;
      when 'pin' then
        update contents set pin_reason = case when o ->> 'pin' <> 'none' then 'test' end, pinned_by = case when o ->> 'pin' <> 'none' then 'test' end,
          pinned_until = case when o ->> 'pin' = 'over' then '-infinity'::timestamptz end
        where sha256 = name and state = 'admitted';
      when 'internal' then
        update contents set internal_refs = case when (o ->> 'is')::boolean then 1 else 0 end where sha256 = name and state = 'admitted';
      when 'irreplaceable' then
        update contents set irreplaceable_since = case when (o ->> 'is')::boolean then clock_timestamp() end where sha256 = name and state = 'admitted';
      when 'young' then
        update contents set keep_until = case when (o ->> 'is')::boolean then 'infinity'::timestamptz end where sha256 = name and state = 'admitted';
      when 'forget' then
        delete from contents where state = 'condemned' and sha256 || '/' || fence <> all (open);
        delete from superseded where sha256 || '/' || fence <> all (open);
      when 'evict' then
        a := evict_space((o ->> 'bytes')::bigint, false, 0, alone, open, 500);
      when 'down' then
        a := evict_space(null, (o ->> 'going')::boolean, 0, alone, open, 500);
      when 'set' then
        update capacity set settings = o -> 'settings';
    end case;
    answers := answers || a;
  end loop;
  return to_jsonb(answers);
end $$`;
