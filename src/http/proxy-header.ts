import { SocketAddress } from "node:net";
import { plainAddress } from "./cidr.ts";

/** What the first bytes of a connection are, as far as they have come. */
export type ProxyHeader =
  /** No PROXY header: they belong to the protocol itself. */
  | { readonly kind: "none" }
  | { readonly kind: "partial" }
  | { readonly kind: "malformed" }
  /** `client`: undefined when the proxy speaks for itself (LOCAL), or names no TCP client. */
  | { readonly kind: "header"; readonly bytes: number; readonly client: string | undefined };

/** "\r\n\r\n\0\r\nQUIT\n": neither HTTP nor TLS can begin with it. */
const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const FIXED = 16;
/** Addresses are 36 bytes; the rest are TLVs, of which a client certificate's are the longest. */
const MAX_BYTES = 4096;
const TCP4 = 0x11;
const TCP6 = 0x21;

/**
 * Parses a PROXY protocol header of version 2; version 1, the text, is not taken.
 * https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, section 2.2
 */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  const seen = Math.min(bytes.length, SIGNATURE.length);
  if (!bytes.subarray(0, seen).equals(SIGNATURE.subarray(0, seen))) return { kind: "none" };
  if (bytes.length < FIXED) return { kind: "partial" };
  const [versionAndCommand, family] = [bytes.readUInt8(12), bytes.readUInt8(13)];
  const command = versionAndCommand & 0x0f;
  const end = FIXED + bytes.readUInt16BE(14);
  if (versionAndCommand >> 4 !== 2 || command > 1 || end > MAX_BYTES) return { kind: "malformed" };
  if (bytes.length < end) return { kind: "partial" };
  if (command === 0) return { kind: "header", bytes: end, client: undefined };
  const body = bytes.subarray(FIXED, end);
  if ((family === TCP4 && body.length < 12) || (family === TCP6 && body.length < 36)) return { kind: "malformed" };
  return { kind: "header", bytes: end, client: sourceOf(family, body) };
}

function sourceOf(family: number, body: Buffer): string | undefined {
  if (family === TCP4) return [...body.subarray(0, 4)].join(".");
  if (family !== TCP6) return undefined;
  const groups = Array.from({ length: 8 }, (_, index) => body.readUInt16BE(2 * index).toString(16));
  return plainAddress(new SocketAddress({ address: groups.join(":"), family: "ipv6" }).address);
}
