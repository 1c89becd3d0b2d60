import type { FillLimits } from "./fill-limits.ts";

/** Limits of fetches by their names in JSON. */
export const FILL_LIMIT_NAMES = {
  total: "total",
  per_project: "perProject",
  per_origin: "perOrigin",
  prefetch_at_once: "prefetchAtOnce",
  prefetch_per_project: "prefetchPerProject",
  prefetch_per_origin: "prefetchPerOrigin",
} as const satisfies Readonly<Record<string, keyof FillLimits>>;

export type FillLimitName = keyof typeof FILL_LIMIT_NAMES;

type Wire<T> = Readonly<Partial<Record<FillLimitName, T>>>;

const NAMES: readonly FillLimitName[] = [
  "total",
  "per_project",
  "per_origin",
  "prefetch_at_once",
  "prefetch_per_project",
  "prefetch_per_origin",
];

/** What JSON sets; null, or absent: as usual. undefined: all are. */
export function fillLimitsOf(
  wire: Wire<number | null | undefined> | null | undefined,
): Partial<FillLimits> | undefined {
  const set = NAMES.flatMap((name) => {
    const value = wire?.[name];
    return value === null || value === undefined ? [] : [[FILL_LIMIT_NAMES[name], value] as const];
  });
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

/** As JSON has it. */
export function wireFillLimits(limits: FillLimits): Readonly<Record<FillLimitName, number>>;
export function wireFillLimits(limits: Partial<FillLimits>): Wire<number>;
export function wireFillLimits(limits: Partial<FillLimits>): Wire<number> {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = limits[FILL_LIMIT_NAMES[name]];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
