/** Seconds; what origins ask for beyond it is not obeyed. */
const LONGEST = 3600;

/**
 * Seconds after which the origin wants to be asked again, at most an hour: RFC 9110 §10.2.3.
 * A date is read against the answer's own `Date`, for the origin's clock is not ours.
 */
export function retryAfter(value: string | undefined, date: string | undefined, now: Date): number | undefined {
  if (value === undefined) return undefined;
  const text = value.trim();
  if (/^\d+$/.test(text)) return Math.min(LONGEST, Number(text));
  const then = Date.parse(text);
  if (Number.isNaN(then)) return undefined;
  const sent = date === undefined ? Number.NaN : Date.parse(date);
  const seconds = Math.ceil((then - (Number.isNaN(sent) ? now.getTime() : sent)) / 1000);
  return Math.min(LONGEST, Math.max(0, seconds));
}
