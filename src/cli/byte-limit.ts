import { parseBytes } from "../config/bytes.ts";

const MIB = 2 ** 20;

/** Bytes of a limit; undefined: the text is none. A few bytes are a unit that was forgotten: `10` for `10GiB`. */
export function parseByteLimit(text: string): number | undefined {
  const bytes = parseBytes(text);
  return bytes !== undefined && bytes > 0 && bytes < MIB && /^\d+$/.test(text.trim()) ? undefined : bytes;
}
