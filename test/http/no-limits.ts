import { CallerLimits } from "../../src/http/caller-limits.ts";

export const ENDLESS = {
  requestsPerSecond: Number.POSITIVE_INFINITY,
  readsPerSecond: Number.POSITIVE_INFINITY,
  guessesPerMinute: Number.POSITIVE_INFINITY,
};

/** For tests of everything else. */
export function noLimits(): CallerLimits {
  return new CallerLimits(ENDLESS, () => 0);
}
