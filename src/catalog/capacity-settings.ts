import { z } from "zod";
import { type CapacitySettings, EVICTIONS, type Share } from "../domain/capacity.ts";
import { fillLimitsOf, wireFillLimits } from "../domain/fill-limit-names.ts";

const shareSchema = z.object({
  project: z.string().optional(),
  origin: z.string().optional(),
  part: z.number(),
});

/** As the column has it, and the functions of migration 0010_space read it. */
const columnSchema = z.object({
  cache_bytes: z.number().optional(),
  high_watermark: z.number().optional(),
  low_watermark: z.number().optional(),
  pin_max_bytes: z.number().optional(),
  shares: z.array(shareSchema).optional(),
  eviction: z.enum(EVICTIONS).optional(),
  hot_bytes: z.number().optional(),
  spool_bytes: z.number().optional(),
  fills: z.record(z.string(), z.number()).optional(),
});

export function settingsOf(column: unknown): CapacitySettings {
  const { shares, eviction, ...row } = columnSchema.parse(column);
  const fills = fillLimitsOf(row.fills);
  return {
    ...(row.cache_bytes === undefined ? {} : { cacheBytes: row.cache_bytes }),
    ...(row.high_watermark === undefined ? {} : { highWatermark: row.high_watermark }),
    ...(row.low_watermark === undefined ? {} : { lowWatermark: row.low_watermark }),
    ...(row.pin_max_bytes === undefined ? {} : { pinMaxBytes: row.pin_max_bytes }),
    ...(shares === undefined ? {} : { shares: shares.map(shareOf) }),
    ...(eviction === undefined ? {} : { eviction }),
    ...(row.hot_bytes === undefined ? {} : { hotBytes: row.hot_bytes }),
    ...(row.spool_bytes === undefined ? {} : { spoolBytes: row.spool_bytes }),
    ...(fills === undefined ? {} : { fills }),
  };
}

export function columnOf(settings: CapacitySettings): Readonly<Record<string, unknown>> {
  return {
    cache_bytes: settings.cacheBytes,
    high_watermark: settings.highWatermark,
    low_watermark: settings.lowWatermark,
    pin_max_bytes: settings.pinMaxBytes,
    shares: settings.shares,
    eviction: settings.eviction,
    hot_bytes: settings.hotBytes,
    spool_bytes: settings.spoolBytes,
    fills: settings.fills === undefined ? undefined : wireFillLimits(settings.fills),
  };
}

function shareOf({ project, origin, part }: z.infer<typeof shareSchema>): Share {
  return { ...(project === undefined ? {} : { project }), ...(origin === undefined ? {} : { origin }), part };
}
