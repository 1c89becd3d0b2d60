import { type BlockList, isIP, SocketAddress } from "node:net";
import { contains, plainAddress } from "./cidr.ts";

/** More proxies than any request passes; what lies further left is not looked at. */
const MAX_ENTRIES = 32;

/**
 * The client that an `X-Forwarded-For` from a trusted proxy states: the right-most address that is
 * not itself trusted, for all left of it may be forged; the left-most when all are. undefined when an
 * entry on the way is no address.
 */
export function forwardedClient(header: string, trusted: BlockList): string | undefined {
  const entries = header.split(",");
  let client: string | undefined;
  for (const entry of entries.slice(-MAX_ENTRIES).reverse()) {
    client = addressOf(entry.trim());
    if (client === undefined || !contains(trusted, client)) return client;
  }
  return entries.length > MAX_ENTRIES ? undefined : client;
}

/** Some proxies add the port, and then brackets around IPv6. */
function addressOf(entry: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\](?::\d{1,5})?|([\d.]+):\d{1,5}|([0-9a-f:.]+))$/i.exec(entry);
  const text = match?.[1] ?? match?.[2] ?? match?.[3] ?? "";
  const family = isIP(text);
  if (family === 0 || (match?.[1] !== undefined && family === 4)) return undefined;
  // One spelling for one client: addresses are compared and counted as texts.
  return family === 4 ? text : plainAddress(new SocketAddress({ address: text, family: "ipv6" }).address);
}
