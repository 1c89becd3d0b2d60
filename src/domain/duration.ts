const SECOND = 1000;
const PATTERN =
  /^P(?=.)(?:(\d{1,4})W|(?:(\d{1,4})D)?(?:T(?=.)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8}(?:\.\d{1,3})?)S)?)?)$/i;

/**
 * Milliseconds of an ISO 8601 duration (`PT30S`, `PT1H30M`, `P7D`); undefined when the text is
 * none. Years and months are not taken: they have no fixed length.
 */
export function parseDuration(text: string): number | undefined {
  const match = PATTERN.exec(text.trim());
  if (match === null) return undefined;
  const [, weeks = "0", days = "0", hours = "0", minutes = "0", seconds = "0"] = match;
  const total =
    ((Number(weeks) * 7 + Number(days)) * 24 * 60 + Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds);
  return Math.round(total * SECOND);
}

/** The ISO 8601 form of a duration in whole milliseconds: days, hours, minutes and seconds. */
export function formatDuration(milliseconds: number): string {
  const days = Math.floor(milliseconds / 86_400_000);
  const hours = Math.floor((milliseconds % 86_400_000) / 3_600_000);
  const minutes = Math.floor((milliseconds % 3_600_000) / 60_000);
  const seconds = (milliseconds % 60_000) / SECOND;
  const text = `${hours === 0 ? "" : `${hours}H`}${minutes === 0 ? "" : `${minutes}M`}${seconds === 0 ? "" : `${seconds}S`}`;
  if (days === 0) return text === "" ? "PT0S" : `PT${text}`;
  return text === "" ? `P${days}D` : `P${days}DT${text}`;
}
