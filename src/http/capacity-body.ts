import { z } from "zod";
import { type CapacitySettings, EVICTIONS } from "../domain/capacity.ts";
import { fillLimitsOf } from "../domain/fill-limit-names.ts";
import { bytes, originName, text } from "./wire-fields.ts";

const MAX_SHARES = 1_000;
/** Less would not hold one step of a content of unknown size. */
const LEAST_SPOOL = 64 * 1024 * 1024;

const part = z.number().gt(0).max(1);
const share = z.strictObject({
  project: text({ min: 1, max: 255 }).optional(),
  origin: originName().optional(),
  part,
});

const fetches = z.int().min(1).max(10_000).nullish();

/** Fetches at once, in each replica; prefetches per project and origin in the whole deployment. */
const fillLimits = z.strictObject({
  total: fetches,
  per_project: fetches,
  per_origin: fetches,
  prefetch_at_once: fetches,
  prefetch_per_project: fetches,
  prefetch_per_origin: fetches,
});

/** What an operator may set; null, or left out: as the configuration says, or as is usual. */
export const capacityBody = z.strictObject({
  cache_bytes: bytes.nullish(),
  high_watermark: part.nullish(),
  low_watermark: part.nullish(),
  pin_max_bytes: bytes.nullish(),
  shares: z.array(share).max(MAX_SHARES).nullish(),
  eviction: z.enum(EVICTIONS).nullish(),
  hot_bytes: bytes.nullish(),
  spool_bytes: z.int().min(LEAST_SPOOL).nullish(),
  fills: fillLimits.nullish(),
});

export function capacitySettings(body: z.output<typeof capacityBody>): CapacitySettings {
  const { cache_bytes, high_watermark, low_watermark, pin_max_bytes, shares, eviction, hot_bytes, spool_bytes } = body;
  const fills = fillLimitsOf(body.fills);
  return {
    ...(cache_bytes == null ? {} : { cacheBytes: cache_bytes }),
    ...(high_watermark == null ? {} : { highWatermark: high_watermark }),
    ...(low_watermark == null ? {} : { lowWatermark: low_watermark }),
    ...(pin_max_bytes == null ? {} : { pinMaxBytes: pin_max_bytes }),
    ...(shares == null ? {} : { shares: shares.map(shareOf) }),
    ...(eviction == null ? {} : { eviction }),
    ...(hot_bytes == null ? {} : { hotBytes: hot_bytes }),
    ...(spool_bytes == null ? {} : { spoolBytes: spool_bytes }),
    ...(fills === undefined ? {} : { fills }),
  };
}

function shareOf(body: z.output<typeof share>) {
  const { project, origin, part: most } = body;
  return { ...(project === undefined ? {} : { project }), ...(origin === undefined ? {} : { origin }), part: most };
}
