import ipaddr from "ipaddr.js";

/** A place to listen on. */
export interface Listen {
  /** Name or address, an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
}

/** Ranges that are not reachable from the internet: what an operator may open to origins (I8). */
const PRIVATE = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "fc00::/7",
  "::1/128",
].map((range) => ipaddr.parseCIDR(range));

/** `host:port`, `[address]:port`; undefined when the text is neither. Port 0: any free one. */
export function parseListen(text: string): Listen | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+)):(\d{1,5})$/i.exec(text);
  if (match === null) return undefined;
  const [, address, name, port] = match;
  if (address !== undefined && !ipaddr.IPv6.isValid(address)) return undefined;
  const number = Number(port);
  return number > 65535 ? undefined : { host: address ?? name ?? "", port: number };
}

/** The normalised CIDR of `10.0.0.0/8` or of one address; a string with the broken rule otherwise. */
export function parseCidr(text: string): { readonly cidr: string } | { readonly rule: string } {
  const [address = "", bits, ...rest] = text.split("/");
  const strict = ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address);
  if (!strict || rest.length > 0 || address.includes("%")) return { rule: `"${text}" is not a CIDR like 10.0.0.0/8` };
  const ip = ipaddr.parse(address);
  const most = ip.kind() === "ipv4" ? 32 : 128;
  const length = bits === undefined ? most : Number(bits);
  if (bits !== undefined && (!/^\d{1,3}$/.test(bits) || length > most)) {
    return { rule: `"${text}" must have a prefix length of 0 to ${most}` };
  }
  const network = networkOf(ip, length);
  if (network !== ip.toString()) return { rule: `"${text}" has host bits set: write ${network}/${length}` };
  return { cidr: `${network}/${length}` };
}

/** True when every address of the CIDR lies in one private or loopback range. */
export function isPrivateCidr(cidr: string): boolean {
  const [address, length] = ipaddr.parseCIDR(cidr);
  return PRIVATE.some(
    ([range, bits]) => range.kind() === address.kind() && bits <= length && address.match(range, bits),
  );
}

/** `host`, `*.suffix`, `[address]`, each with `:port` or without, in lower case; undefined otherwise. */
export function parseHostPattern(text: string): string | undefined {
  const match = /^(\*\.)?(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::(\d{1,5}))?$/i.exec(text);
  if (match === null) return undefined;
  const [, wildcard, host = "", port] = match;
  const bracketed = host.startsWith("[");
  if (bracketed && (wildcard !== undefined || !ipaddr.IPv6.isValid(host.slice(1, -1)))) return undefined;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return undefined;
  return text.toLowerCase();
}

function networkOf(ip: ipaddr.IPv4 | ipaddr.IPv6, length: number): string {
  const cidr = `${ip.toString()}/${length}`;
  const network =
    ip.kind() === "ipv4" ? ipaddr.IPv4.networkAddressFromCIDR(cidr) : ipaddr.IPv6.networkAddressFromCIDR(cidr);
  return network.toString();
}
