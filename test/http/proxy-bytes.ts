import { isIPv4, SocketAddress } from "node:net";

export interface ProxyBytes {
  /** 1: PROXY, 0: LOCAL. */
  readonly command?: number;
  /** Address family and protocol; by default that of the client's address, over TCP. */
  readonly family?: number;
  /** What follows the addresses. */
  readonly tlvs?: Uint8Array;
  readonly version?: number;
}

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** A PROXY header of version 2 as a balancer writes it. */
export function proxyBytes(client: string, options: ProxyBytes = {}): Buffer {
  const family = options.family ?? (isIPv4(client) ? 0x11 : 0x21);
  const source = isIPv4(client) ? Buffer.from(client.split(".").map(Number)) : groupsOf(client);
  const addresses = Buffer.concat([source, Buffer.alloc(source.length, 1), Buffer.from([0x12, 0x34, 0x00, 0x50])]);
  const body = Buffer.concat([addresses, options.tlvs ?? Buffer.alloc(0)]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  const fixed = Buffer.from([((options.version ?? 2) << 4) | (options.command ?? 1), family]);
  return Buffer.concat([SIGNATURE, fixed, length, body]);
}

function groupsOf(address: string): Buffer {
  const [left = "", right] = new SocketAddress({ address, family: "ipv6" }).address.split("::");
  const parse = (side: string) => (side === "" ? [] : side.split(":").map((group) => Number.parseInt(group, 16)));
  const [before, after] = [parse(left), parse(right ?? "")];
  const groups = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}
