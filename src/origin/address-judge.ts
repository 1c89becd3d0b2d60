import { isIP } from "node:net";
import type { AddressJudge, AddressVerdict } from "../domain/address-verdict.ts";
import { CisternError } from "../domain/errors.ts";
import type { ExternalLocation } from "../domain/location.ts";
import { AddressGuard } from "./address-guard.ts";
import { LocationGuard } from "./location-guard.ts";
import type { OriginOptions, OriginPorts } from "./options.ts";

const LOOK_UP_MS = 5_000;

/** The same guards that a fetch goes by, asked without one. */
export class GuardJudge implements AddressJudge {
  readonly #addresses: AddressGuard;
  readonly #guard: LocationGuard;
  readonly #resolve: OriginPorts["resolve"];

  constructor(
    options: Pick<OriginOptions, "allow" | "memberHosts" | "ownAddresses">,
    ports: Pick<OriginPorts, "resolve">,
  ) {
    this.#addresses = new AddressGuard(options.allow, options.ownAddresses);
    this.#guard = new LocationGuard(this.#addresses, options.memberHosts);
    this.#resolve = ports.resolve;
  }

  async verdict(location: ExternalLocation, signal: AbortSignal): Promise<AddressVerdict> {
    const url = new URL(location.url);
    try {
      this.#guard.check(url, location.setBy);
    } catch (error) {
      if (!(error instanceof CisternError)) throw error;
      return { allowed: false, code: error.code, reason: error.message, addresses: [] };
    }
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const found = isIP(host) === 0 ? await this.#lookUp(host, signal) : [host];
    const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
    const judged = found.map((address) => ({ address, refusal: this.#addresses.refusal(address, port) }));
    const addresses = judged.map(({ address, refusal }) => ({ address, allowed: refusal === undefined }));
    if (addresses.some(({ allowed }) => allowed)) {
      return { allowed: true, code: undefined, reason: undefined, addresses };
    }
    const refusal = judged.find((one) => one.refusal !== undefined)?.refusal;
    const { code, message } = refusal ?? new CisternError("origin-unreachable", "the origin's name is not found");
    return { allowed: false, code, reason: message, addresses };
  }

  /** Nothing: the name is not found, or not in time. */
  async #lookUp(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const late = AbortSignal.any([signal, AbortSignal.timeout(LOOK_UP_MS)]);
    const { promise, reject } = Promise.withResolvers<never>();
    const onLate = () => reject(new Error("too late"));
    late.addEventListener("abort", onLate, { once: true });
    try {
      return await Promise.race([this.#resolve(host), promise]);
    } catch (error) {
      signal.throwIfAborted();
      // What the resolver says of a name that it does not find; whatever else is a fault.
      if (late.aborted || (error instanceof Error && "code" in error)) return [];
      throw error;
    } finally {
      late.removeEventListener("abort", onLate);
    }
  }
}
