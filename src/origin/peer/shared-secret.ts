import { createHmac, timingSafeEqual } from "node:crypto";
import type { PeerCredentials, ProvedRequest } from "../../domain/peer.ts";

/** For so long a request is signed: what it takes to arrive, and to dial before that. */
const SIGNED_MS = 15_000;
/** For more than this nothing is believed. The difference is what two replicas may know the time apart. */
const BELIEVED_MS = 30_000;
const AUTHORIZATION = /^Cistern-Peer (\d{1,16})\.([\w-]{43})$/;

/**
 * HMAC-SHA-256 under the deployment's secret, over method, path with query (which names the holder)
 * and expiry. Made anew within its time it is the same: a replay is a read that changes nothing.
 */
export class SharedSecret implements PeerCredentials {
  readonly #secret: string;
  readonly #databaseNow: () => number;

  /** @param databaseNow the database's time, in milliseconds: the clocks of replicas may differ */
  constructor(secret: string, databaseNow: () => number) {
    this.#secret = secret;
    this.#databaseNow = databaseNow;
  }

  sign(request: ProvedRequest): string {
    const expires = Math.ceil(this.#databaseNow()) + SIGNED_MS;
    return `Cistern-Peer ${expires}.${this.#requestMac(request, expires)}`;
  }

  verify(request: ProvedRequest, authorization: string | undefined): boolean {
    const [, digits, mac] = AUTHORIZATION.exec(authorization ?? "") ?? [];
    if (mac === undefined) return false;
    const expires = Number(digits);
    const left = expires - this.#databaseNow();
    return equal(mac, this.#requestMac(request, expires)) && left > 0 && left <= BELIEVED_MS;
  }

  vouch(authorization: string, statement: string): string {
    return this.#mac(["answer", authorization, statement]);
  }

  confirms(authorization: string, statement: string, proof: string | undefined): boolean {
    return proof !== undefined && equal(proof, this.vouch(authorization, statement));
  }

  #requestMac({ method, target }: ProvedRequest, expires: number): string {
    return this.#mac(["request", method, target, expires]);
  }

  /** The first part keeps requests and answers apart. */
  #mac(parts: readonly [purpose: string, ...(string | number)[]]): string {
    return createHmac("sha256", this.#secret)
      .update(JSON.stringify(["cistern-peer", ...parts]))
      .digest("base64url");
  }
}

function equal(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
