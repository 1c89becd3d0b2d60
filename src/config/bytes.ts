const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes that `10GiB`, `500MB`, `1.5TiB` or `1048576` name; undefined when the text is none of these. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,16})(\.\d{1,6})? ?([a-z]{0,3})$/i.exec(text.trim());
  if (match === null) return undefined;
  const [, whole = "", fraction = "", unit = ""] = match;
  const factor = UNITS[unit.toLowerCase()];
  if (factor === undefined || (fraction !== "" && factor === 1)) return undefined;
  const bytes = Math.floor(Number(whole + fraction) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes for people: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < names.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${Number(value.toFixed(1))} ${names[index]}`;
}
