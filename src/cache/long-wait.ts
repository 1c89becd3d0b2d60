import type { ByteRange } from "../domain/byte-range.ts";
import { CisternError } from "../domain/errors.ts";
import type { Fill } from "./fill.ts";

/** A range that would wait longer than this for its first byte is told to come back. */
const PATIENCE_S = 30;

/**
 * Throws `too-busy` for a range that the fill will not reach soon.
 * @param now milliseconds of the monotonic clock
 */
export function refuseLongWait(fill: Fill, range: ByteRange, now: number): void {
  if (fill.verdict !== undefined || range.start <= fill.mark) return;
  const rate = fill.rate(now);
  const seconds = rate === 0 ? 0 : (range.start - fill.mark) / rate;
  if (seconds <= PATIENCE_S) return;
  const message = "the range has not been fetched yet: try again when the fetch has come that far";
  throw new CisternError("too-busy", message, { retryAfter: Math.min(600, Math.ceil(seconds)) });
}
