import type { Validator } from "../domain/source.ts";

/** A date younger than this may stand for two versions made within one second: RFC 9110 §8.8.2.2. */
const SETTLED_MS = 60_000;

/** What a resume can rely on: a strong entity tag, else a modification date that is strong. */
export function strongValidator(
  etag: string | undefined,
  lastModified: string | undefined,
  date: string | undefined,
): Validator | undefined {
  if (etag !== undefined && /^"[\x21\x23-\x7e\x80-\xff]*"$/.test(etag)) return { kind: "etag", value: etag };
  if (lastModified === undefined || date === undefined) return undefined;
  const age = Date.parse(date) - Date.parse(lastModified);
  return age >= SETTLED_MS ? { kind: "last-modified", value: lastModified } : undefined;
}
