import { isIP } from "node:net";
import { CisternError } from "../domain/errors.ts";
import { hostMatches } from "../domain/host-pattern.ts";
import type { SetBy } from "../domain/location.ts";
import type { AddressGuard } from "./address-guard.ts";

/** What a URL must be like before a name is looked up, on every hop (I8). */
export class LocationGuard {
  readonly #addresses: AddressGuard;
  readonly #memberHosts: readonly string[];

  constructor(addresses: AddressGuard, memberHosts: readonly string[]) {
    this.#addresses = addresses;
    this.#memberHosts = memberHosts;
  }

  /** Throws `host-not-allowed`, `address-not-allowed` (a literal) or `origin-loop`. */
  check(url: URL, setBy: SetBy): void {
    if (url.protocol !== "http:" && url.protocol !== "https:") {
      throw new CisternError("host-not-allowed", "locations are http or https URLs");
    }
    if (setBy === "member" && !this.#memberHosts.some((pattern) => hostMatches(pattern, url.href))) {
      throw new CisternError("host-not-allowed", "the location's host and port are not ones that members may name");
    }
    // The URL parser has turned every notation of a literal (octal, hexadecimal, one number) into this one.
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    if (isIP(host) !== 0) {
      const refusal = this.#addresses.refusal(host, portOf(url));
      if (refusal !== undefined) throw refusal;
    } else if (this.#addresses.isOwnName(host, portOf(url))) {
      throw new CisternError("origin-loop", "the location leads back to Cistern itself");
    }
  }
}

function portOf(url: URL): number {
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}
