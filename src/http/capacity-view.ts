import { z } from "zod";
import type { CapacityState } from "../artifact/capacity.ts";
import { type CapacityUse, type CLASSES, EVICTIONS, type Share } from "../domain/capacity.ts";
import { wireFillLimits } from "../domain/fill-limit-names.ts";
import type { Replica, TierUse } from "../domain/replica.ts";
import { bytes, shownTime } from "./wire-fields.ts";

/** Projects and origins that one answer names: those that use most. */
const MOST_ACCOUNTS = 1_000;

const use = z.object({ bytes, count: z.int().min(0) });
const tier = z.object({ used: bytes, limit: bytes });
const share = z.object({ project: z.string().optional(), origin: z.string().optional(), part: z.number() });
const part = z.number().nullable();

const fetches = z.int().min(1);
const fillLimits = z.object({
  total: fetches,
  per_project: fetches,
  per_origin: fetches,
  prefetch_at_once: fetches,
  prefetch_per_project: fetches,
  prefetch_per_origin: fetches,
});

const settings = z.object({
  cache_bytes: bytes.nullable(),
  high_watermark: part,
  low_watermark: part,
  pin_max_bytes: bytes.nullable(),
  shares: z.array(share).nullable(),
  eviction: z.enum(EVICTIONS).nullable(),
  hot_bytes: bytes.nullable(),
  spool_bytes: bytes.nullable(),
  /** Those that are not as usual. */
  fills: fillLimits.partial().nullable(),
});

const account = { bytes, count: z.int().min(0), reserved: bytes, part };

/** What `/v1/capacity` answers. */
export const capacityShape = z.object({
  revision: z.int().min(1),
  updated_at: shownTime,
  updated_by: z.string().nullable(),
  settings,
  limits: z.object({
    cache_bytes: bytes,
    high_watermark: z.number(),
    low_watermark: z.number(),
    pin_max_bytes: bytes,
    shares: z.array(share),
    eviction: z.enum(EVICTIONS),
    hot_bytes: bytes.nullable(),
    spool_bytes: bytes,
    fills: fillLimits,
  }),
  use: z.object({
    used: bytes,
    free: bytes,
    internal: use,
    cached: use,
    pinned: use,
    irreplaceable: use,
    quarantined: use,
    condemned: use,
    reserved: use,
    spool: tier,
    hot: tier,
  }),
  projects: z.array(z.object({ project: z.string(), ...account })),
  origins: z.array(z.object({ origin: z.string(), ...account })),
  replicas: z.array(
    z.object({ replica: z.string(), seen_at: shownTime, spool: tier.nullable(), hot: tier.nullable() }),
  ),
});

export function capacityView({ record, limits, use: all, used, replicas }: CapacityState) {
  const { settings: set } = record;
  const { shares } = limits;
  return {
    revision: record.revision,
    updated_at: record.updatedAt.toISOString(),
    updated_by: record.updatedBy ?? null,
    settings: {
      cache_bytes: set.cacheBytes ?? null,
      high_watermark: set.highWatermark ?? null,
      low_watermark: set.lowWatermark ?? null,
      pin_max_bytes: set.pinMaxBytes ?? null,
      shares: set.shares ?? null,
      eviction: set.eviction ?? null,
      hot_bytes: set.hotBytes ?? null,
      spool_bytes: set.spoolBytes ?? null,
      fills: set.fills === undefined ? null : wireFillLimits(set.fills),
    },
    limits: {
      cache_bytes: limits.cacheBytes,
      high_watermark: limits.highWatermark,
      low_watermark: limits.lowWatermark,
      pin_max_bytes: limits.pinMaxBytes,
      shares,
      eviction: limits.eviction,
      hot_bytes: limits.hotBytes ?? null,
      spool_bytes: limits.spoolBytes,
      fills: wireFillLimits(limits.fills),
    },
    use: {
      used,
      free: Math.max(0, limits.cacheBytes - used),
      ...byClass(all),
      spool: sum(replicas.map(({ report }) => report.spool)),
      hot: sum(replicas.map(({ report }) => report.hot)),
    },
    projects: accounts(all, "project", shares).map(({ name, ...row }) => ({ project: name, ...row })),
    origins: accounts(all, "origin", shares).map(({ name, ...row }) => ({ origin: name, ...row })),
    replicas: replicas.map(replicaView),
  };
}

/** Under the URL that others reach it by, without what names this run of it. */
function replicaView({ holder, seenAt, report }: Replica) {
  const replica = holder.split("#", 1)[0] ?? holder;
  return { replica, seen_at: seenAt.toISOString(), spool: report.spool ?? null, hot: report.hot ?? null };
}

function byClass({ classes, reserved }: CapacityUse) {
  const total = (rows: readonly { readonly bytes: number; readonly count: number }[]) => ({
    bytes: rows.reduce((all, row) => all + row.bytes, 0),
    count: rows.reduce((all, row) => all + row.count, 0),
  });
  const of = (name: (typeof CLASSES)[number]) => total(classes.filter((row) => row.class === name));
  return {
    internal: of("internal"),
    cached: of("cached"),
    pinned: of("pinned"),
    irreplaceable: of("irreplaceable"),
    quarantined: of("quarantined"),
    condemned: of("condemned"),
    reserved: total(reserved),
  };
}

/** By bytes, reserved ones included; what has no name is not an account. */
function accounts({ classes, reserved }: CapacityUse, by: "project" | "origin", shares: readonly Share[]) {
  const rows = new Map<string, { bytes: number; count: number; reserved: number }>();
  const rowOf = (name: string) => {
    const row = rows.get(name) ?? { bytes: 0, count: 0, reserved: 0 };
    rows.set(name, row);
    return row;
  };
  for (const used of classes) {
    if (used.class === "condemned") continue;
    const row = rowOf(used[by]);
    row.bytes += used.bytes;
    row.count += used.count;
  }
  for (const held of reserved) rowOf(held[by]).reserved += held.bytes;
  for (const name of shares.flatMap((known) => known[by] ?? [])) rowOf(name);
  rows.delete("");
  return [...rows]
    .map(([name, row]) => ({ name, ...row, part: shares.find((known) => known[by] === name)?.part ?? null }))
    .sort((a, b) => b.bytes + b.reserved - (a.bytes + a.reserved) || (a.name < b.name ? -1 : 1))
    .slice(0, MOST_ACCOUNTS);
}

function sum(tiers: readonly (TierUse | undefined)[]): TierUse {
  const known = tiers.flatMap((one) => one ?? []);
  return {
    used: known.reduce((all, one) => all + one.used, 0),
    limit: known.reduce((all, one) => all + one.limit, 0),
  };
}
