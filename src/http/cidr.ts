import { BlockList, isIP } from "node:net";
import { invalid } from "../domain/errors.ts";

/** Parses a CIDR, or an address, which stands for itself alone; `field` names it in errors. */
export function parseCidr(value: unknown, field: string): string {
  const match = typeof value === "string" ? /^([0-9a-f:.]{2,45})(?:\/(\d{1,3}))?$/i.exec(value) : null;
  const address = match?.[1] ?? "";
  const most = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  const length = match?.[2] === undefined ? most : Number(match[2]);
  if (most === 0 || length > most) throw invalid(field, "must be a CIDR such as 10.0.0.0/8 or fd00::/8, or an address");
  return `${address.toLowerCase()}/${length}`;
}

/** The addresses that lie in one of these CIDRs. */
export function addressesIn(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", length] = parseCidr(cidr, "cidr").split("/");
    list.addSubnet(address, Number(length), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
}

/** False for what is no address. */
export function contains(list: BlockList, address: string): boolean {
  const plain = plainAddress(address);
  const family = isIP(plain);
  return family !== 0 && list.check(plain, family === 4 ? "ipv4" : "ipv6");
}

/** An IPv4 address that came in on an IPv6 socket, as IPv4. RFC 4291 §2.5.5.2. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
