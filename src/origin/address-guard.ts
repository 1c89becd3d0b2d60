import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";
import { CisternError } from "../domain/errors.ts";
import type { Endpoint } from "./options.ts";

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Network = [Address, number];

// All that IANA has handed out of IPv6's global unicast space: what ipaddr.js calls unicast is wider.
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR("2000::/3");

/** Which addresses may be connected to (I8). */
export class AddressGuard {
  readonly #allow: readonly Network[];
  readonly #own: () => readonly Endpoint[];

  /** @param allow CIDRs that are open besides the public unicast addresses */
  constructor(allow: readonly string[], own: () => readonly Endpoint[]) {
    this.#allow = allow.map((cidr) => ipaddr.parseCIDR(cidr));
    this.#own = own;
  }

  /**
   * Why this address must not be connected to: `address-not-allowed`, or `origin-loop` when Cistern
   * itself listens there; undefined when it may. Takes an address in plain notation, without brackets.
   */
  refusal(address: string, port: number): CisternError | undefined {
    // A zone names an interface of this machine; no origin of the internet has one.
    if (!ipaddr.isValid(address) || address.includes("%")) return notAllowed("not an address");
    // IPv4-mapped and IPv4-compatible notations become the IPv4 address that they lead to.
    const ip = ipaddr.process(address);
    if (this.#isOwn(ip, port)) {
      return new CisternError("origin-loop", "the location leads back to Cistern itself");
    }
    if (isPublic(ip) || this.#allow.some((network) => contains(network, ip))) return undefined;
    return notAllowed(`${ip.toString()} is ${ip.range()}`);
  }

  /** True when a name is one that Cistern itself is known by. */
  isOwnName(hostname: string, port: number): boolean {
    const name = hostname.toLowerCase().replace(/\.$/, "");
    return this.#own().some((endpoint) => endpoint.port === port && endpoint.host.toLowerCase() === name);
  }

  #isOwn(ip: Address, port: number): boolean {
    return this.#own().some((endpoint) => {
      if (endpoint.port !== port) return false;
      const own = ipaddr.isValid(endpoint.host) ? ipaddr.process(endpoint.host) : undefined;
      if (own !== undefined && own.range() !== "unspecified") return own.toString() === ip.toString();
      // A wildcard is every address of this machine; a name that is listened on is one of them.
      return ip.range() === "loopback" || ip.range() === "unspecified" || isOfThisMachine(ip);
    });
  }
}

function isPublic(ip: Address): boolean {
  if (ip.range() !== "unicast") return false;
  return ip.kind() === "ipv4" || contains(GLOBAL_UNICAST, ip);
}

function contains([network, bits]: Network, ip: Address): boolean {
  return network.kind() === ip.kind() && ip.match(network, bits);
}

function isOfThisMachine(ip: Address): boolean {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.some(({ address }) => ipaddr.process(address.split("%")[0] ?? address).toString() === ip.toString());
}

function notAllowed(why: string): CisternError {
  return new CisternError("address-not-allowed", "the location's address is not one that origins may have", {
    cause: new Error(why),
  });
}
