import { z } from "zod";
import { formatBytes } from "../config/bytes.ts";
import { printable, table } from "./table.ts";

const use = z.looseObject({ bytes: z.number(), count: z.number() });
const tier = z.looseObject({ used: z.number(), limit: z.number() });
const share = z.looseObject({ project: z.string().optional(), origin: z.string().optional(), part: z.number() });
const account = { bytes: z.number(), count: z.number(), reserved: z.number(), part: z.number().nullish() };

export const CAPACITY_VIEW = z.looseObject({
  revision: z.number(),
  settings: z.looseObject({
    cache_bytes: z.number().nullish(),
    high_watermark: z.number().nullish(),
    low_watermark: z.number().nullish(),
    pin_max_bytes: z.number().nullish(),
    shares: z.array(share).nullish(),
    eviction: z.string().nullish(),
    hot_bytes: z.number().nullish(),
    spool_bytes: z.number().nullish(),
    fills: z.record(z.string(), z.number()).nullish(),
  }),
  limits: z.looseObject({
    cache_bytes: z.number(),
    high_watermark: z.number(),
    low_watermark: z.number(),
    pin_max_bytes: z.number(),
    eviction: z.string(),
    hot_bytes: z.number().nullish(),
    spool_bytes: z.number().nullish(),
    fills: z.record(z.string(), z.number()).nullish(),
  }),
  use: z.looseObject({
    used: z.number(),
    internal: use,
    cached: use,
    pinned: use,
    irreplaceable: use,
    quarantined: use,
    condemned: use,
    reserved: use,
  }),
  projects: z.array(z.looseObject({ project: z.string(), ...account })),
  origins: z.array(z.looseObject({ origin: z.string(), ...account })),
  replicas: z.array(z.looseObject({ replica: z.string(), spool: tier.nullish(), hot: tier.nullish() })),
});

export type CapacityView = z.infer<typeof CAPACITY_VIEW>;

const BAR = 24;
/** Projects and origins that are shown: those that use most. */
const SHOWN = 20;
const CLASSES = ["cached", "internal", "pinned", "irreplaceable", "quarantined", "reserved", "condemned"] as const;

/** Limits and use, for people. */
export function showCapacity(view: CapacityView): string {
  const { limits, use: used } = view;
  const head = `cache  ${gauge(used.used, limits.cache_bytes)}`;
  return [head, classes(view), accounts(view), replicas(view), limitTable(view)]
    .filter((text) => text !== "")
    .join("\n\n");
}

function classes({ use: used, limits }: CapacityView): string {
  const rows = CLASSES.filter((name) => used[name].count > 0).map((name) => {
    const { bytes, count } = used[name];
    return [name, formatBytes(bytes), String(count), bar(bytes, limits.cache_bytes)];
  });
  return rows.length === 0 ? "" : table(["CLASS", "BYTES", "COUNT", ""], rows);
}

function accounts({ projects, origins, limits }: CapacityView): string {
  const all = [
    ...projects.map((row) => ({ ...row, name: `project ${printable(row.project)}` })),
    ...origins.map((row) => ({ ...row, name: `origin ${printable(row.origin)}` })),
  ];
  const rows = all
    .toSorted((a, b) => b.bytes + b.reserved - (a.bytes + a.reserved))
    .slice(0, SHOWN)
    .map(({ name, bytes, reserved, part }) => [
      name,
      formatBytes(bytes),
      formatBytes(reserved),
      part == null ? "-" : percent(part),
      bar(bytes + reserved, part == null ? limits.cache_bytes : limits.cache_bytes * part),
    ]);
  return rows.length === 0 ? "" : table(["ACCOUNT", "BYTES", "RESERVED", "SHARE", ""], rows);
}

function replicas(view: CapacityView): string {
  const rows = view.replicas.map(({ replica, spool, hot }) => [printable(replica), tierText(spool), tierText(hot)]);
  return rows.length === 0 ? "" : table(["REPLICA", "SPOOL", "HOT"], rows);
}

/** By the names that `capacity set` knows them by. */
function limitTable({ limits, settings }: CapacityView): string {
  const rows = [
    ["cache", formatBytes(limits.cache_bytes), settings.cache_bytes],
    ["pins", formatBytes(limits.pin_max_bytes), settings.pin_max_bytes],
    ["high", percent(limits.high_watermark), settings.high_watermark],
    ["low", percent(limits.low_watermark), settings.low_watermark],
    ["eviction", limits.eviction, settings.eviction],
    ...(limits.spool_bytes == null ? [] : [["spool", formatBytes(limits.spool_bytes), settings.spool_bytes] as const]),
    ...(limits.hot_bytes == null ? [] : [["hot", formatBytes(limits.hot_bytes), settings.hot_bytes] as const]),
    ...Object.entries(limits.fills ?? {}).map(
      ([name, most]) => [`fills ${name.replaceAll("_", "-")}`, String(most), settings.fills?.[name]] as const,
    ),
  ] as const;
  return table(
    ["LIMIT", "VALUE", ""],
    rows.map(([name, value, set]) => [name, value, set == null ? "default" : "set"]),
  );
}

function tierText(one: { readonly used: number; readonly limit: number } | null | undefined): string {
  return one == null ? "-" : `${formatBytes(one.used)} of ${formatBytes(one.limit)}`;
}

function gauge(bytes: number, limit: number): string {
  return `${bar(bytes, limit)} ${formatBytes(bytes)} of ${formatBytes(limit)}`;
}

/** What is over its limit is a full bar. */
function bar(bytes: number, limit: number): string {
  const filled = limit <= 0 ? 0 : Math.min(BAR, Math.round((bytes / limit) * BAR));
  return `${"#".repeat(filled)}${".".repeat(BAR - filled)}`;
}

function percent(part: number): string {
  return `${Number((part * 100).toFixed(1))}%`;
}
