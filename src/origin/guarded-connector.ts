import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { buildConnector } from "undici";
import type { CisternError } from "../domain/errors.ts";
import type { AddressGuard } from "./address-guard.ts";
import { unreachable } from "./failure.ts";
import type { Resolve } from "./options.ts";

/** The names of this machine and of the network, as every other program here sees them. */
export const systemResolve: Resolve = async (hostname) =>
  (await lookup(hostname, { all: true, order: "verbatim" })).map(({ address }) => address);

/**
 * Opens connections, and only to addresses that the guard has passed: what is checked is what is
 * connected to, so that a name that changes its address in between gains nothing. The guard sits
 * here and not in a lookup alone, because no lookup is made for literals.
 *
 * @param connectMs for DNS, TCP and TLS together
 */
export function guardedConnector(guard: AddressGuard, resolve: Resolve, connectMs: number): buildConnector.connector {
  return (options, callback) => {
    const port = Number(options.port) || (options.protocol === "https:" ? 443 : 80);
    const { hostname } = options;
    const literal = isIP(hostname) !== 0;
    const refusal = literal ? guard.refusal(hostname, port) : undefined;
    if (refusal !== undefined) {
      // Later, as a connection would fail: the caller is not prepared for an answer within its call.
      queueMicrotask(() => callback(refusal, null));
      return;
    }
    const connect = buildConnector({
      timeout: connectMs,
      allowH2: false,
      maxCachedSessions: 0,
      autoSelectFamily: true,
      lookup: checkedLookup(guard, resolve, port),
    });
    const servername = literal ? "" : hostname.replace(/\.$/, "");
    connect({ ...options, ...(options.protocol === "https:" && !literal ? { servername } : {}) }, callback);
  };
}

/** Answers the addresses of a name that pass; fails with the guard's refusal when none does. */
function checkedLookup(guard: AddressGuard, resolve: Resolve, port: number): LookupFunction {
  return (hostname, options, callback) => {
    const answer = async () => {
      const all = await resolve(hostname);
      const passed = all.filter((address) => guard.refusal(address, port) === undefined);
      const [first] = passed;
      if (first === undefined) throw refusalOf(guard, all, port);
      return passed;
    };
    answer().then(
      (passed) => {
        const addresses = passed.map((address) => ({ address, family: isIP(address) }));
        if (options.all) callback(null, addresses);
        else callback(null, addresses[0]?.address ?? "", addresses[0]?.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, ""),
    );
  };
}

function refusalOf(guard: AddressGuard, addresses: readonly string[], port: number): CisternError {
  const refusals = addresses.map((address) => guard.refusal(address, port));
  return refusals.find((refusal) => refusal !== undefined) ?? unreachable(new Error("the name has no address"));
}
