/** An address as its 128 bits, eight groups of 16; IPv4 is where RFC 4291 §2.5.5.2 maps it. */
export type AddressBits = readonly number[];

export interface Cidr {
  readonly bits: AddressBits;
  /** Of the 128. */
  readonly length: number;
}

const MAPPED = 0xffff;
const IPV4_OFFSET = 96;
const GROUPS = 8;

/** The bits of an IPv4 address in four decimal parts or of an IPv6 address; undefined when the text is neither. */
export function parseAddress(text: string): AddressBits | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): AddressBits | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const parts = match.slice(1).map(Number);
  // A leading zero is octal to some and decimal to others.
  if (parts.some((part, index) => part > 255 || String(part) !== match[index + 1])) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = parts;
  return [0, 0, 0, 0, 0, MAPPED, a * 256 + b, c * 256 + d];
}

/** RFC 4291 §2.2, without a zone. */
function parseIpv6(text: string): AddressBits | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head = "", tail] = halves;
  const before = parseGroups(head, tail === undefined);
  const after = tail === undefined ? [] : parseGroups(tail, true);
  if (before === undefined || after === undefined) return undefined;
  const missing = GROUPS - before.length - after.length;
  // `::` stands for one group at least.
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  return [...before, ...new Array<number>(missing).fill(0), ...after];
}

/** @param last nothing follows: the last 32 bits may be written as IPv4 */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const ipv4 = last && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (ipv4 === undefined) return undefined;
    groups.push(...ipv4.slice(6));
  }
  return groups;
}

/** A CIDR, or an address, which stands for itself alone; a text with the broken rule otherwise. */
export function parseCidr(text: string): Cidr | string {
  const [address = "", written, ...rest] = text.split("/");
  const bits = parseAddress(address);
  if (bits === undefined || rest.length > 0) return "must be a CIDR such as 10.0.0.0/8 or fd00::/8, or an address";
  const most = address.includes(":") ? 128 : 32;
  const length = written === undefined ? most : Number(written);
  if ((written !== undefined && !/^\d{1,3}$/.test(written)) || length > most) {
    return `must have a prefix length of 0 to ${most}`;
  }
  const cidr = { bits, length: most === 32 ? length + IPV4_OFFSET : length };
  return hasHostBits(cidr) ? "must not have bits set behind its prefix length" : cidr;
}

/** True when the address lies in the network. */
export function liesIn(address: AddressBits, { bits, length }: Cidr): boolean {
  const whole = length >> 4;
  for (let index = 0; index < whole; index += 1) if (address[index] !== bits[index]) return false;
  const rest = length & 15;
  if (rest === 0) return true;
  const shift = 16 - rest;
  return (address[whole] ?? 0) >> shift === (bits[whole] ?? 0) >> shift;
}

function hasHostBits({ bits, length }: Cidr): boolean {
  return bits.some((group, index) => {
    const kept = Math.min(16, Math.max(0, length - index * 16));
    return (group & (0xffff >> kept)) !== 0;
  });
}
