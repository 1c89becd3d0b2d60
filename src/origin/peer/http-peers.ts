import { Agent } from "undici";
import { CisternError, isCisternError } from "../../domain/errors.ts";
import type { PeerCredentials, Peers, RelayAnswer, RelayRequest } from "../../domain/peer.ts";
import { DENIAL, RELAY_FIELDS, readRelayHead, relayTarget } from "../../domain/relay-wire.ts";
import { type Exchange, exchange } from "../exchange.ts";
import { RelayBody } from "./relay-body.ts";

export interface PeerOptions {
  /** PEM certificates of the authorities that peers' certificates are checked against; undefined: the system's. */
  readonly ca: string | undefined;
  /** Milliseconds. */
  readonly timeouts: {
    /** DNS, TCP and TLS together. */
    readonly connectMs: number;
    readonly headersMs: number;
    /** Pause within a body while the reader waits: the origin may stall as long for the holder. */
    readonly stallMs: number;
  };
}

export interface PeerPorts {
  readonly credentials: PeerCredentials;
  monotonic(): number;
}

/** What holds unless the configuration says otherwise. */
export const PEER_DEFAULTS: PeerOptions = {
  ca: undefined,
  timeouts: { connectMs: 3_000, headersMs: 10_000, stallMs: 60_000 },
};

const KEEP_ALIVE_MS = 15_000;
/** A URL of 4096 characters, percent-encoded, and its validator. */
const MAX_HEAD_BYTES = 64 * 1024;

/**
 * The other replicas, at the addresses that leases name. Those are private by nature, so that no
 * address is refused; but nothing leads anywhere else: redirects are not followed.
 */
export class HttpPeers implements Peers, AsyncDisposable {
  readonly #agent: Agent;
  readonly #timeouts: PeerOptions["timeouts"];
  readonly #ports: PeerPorts;

  constructor({ ca, timeouts }: PeerOptions, ports: PeerPorts) {
    this.#timeouts = timeouts;
    this.#ports = ports;
    this.#agent = new Agent({
      // A connection for each relay: whether a peer is still there, a new one tells within seconds.
      pipelining: 0,
      allowH2: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      connect: {
        timeout: timeouts.connectMs,
        allowH2: false,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
        autoSelectFamily: true,
        ...(ca === undefined ? {} : { ca }),
      },
    });
  }

  async relay(request: RelayRequest, signal: AbortSignal): Promise<RelayAnswer> {
    const base = replicaUrl(request.holder);
    const target = relayTarget(request);
    const authorization = this.#ports.credentials.sign({ method: "GET", target });
    const answer = await this.#ask(new URL(target, base), authorization, signal);
    try {
      return this.#read(answer, request, authorization, signal);
    } catch (error) {
      answer.body.abort(new Error("refused"));
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  async #ask(url: URL, authorization: string, signal: AbortSignal): Promise<Exchange> {
    const headers = { authorization, "user-agent": "Cistern" };
    const request = { method: "GET", url, headers, origin: url.host, ...this.#timeouts } as const;
    try {
      return await exchange(this.#agent, request, this.#ports.monotonic, signal);
    } catch (error) {
      if (signal.aborted || !isCisternError(error)) throw error;
      throw peerUnreachable("the replica that fetches this does not answer", error);
    }
  }

  #read(answer: Exchange, request: RelayRequest, authorization: string, signal: AbortSignal): RelayAnswer {
    const { status, headers, body } = answer;
    const { credentials } = this.#ports;
    const proof = headers[RELAY_FIELDS.proof];
    // Only a replica may say so: whatever else answers at its address must not cost it its lease.
    if (status === 409 && typeof proof === "string" && credentials.confirms(authorization, DENIAL, proof)) {
      throw new CisternError("peer-denied", "the replica that is said to fetch this does not");
    }
    if (status === 401) {
      const cause = new Error("status 401: is its CISTERN_CLUSTER_SECRET another one?");
      throw peerUnreachable("the replica that fetches this does not take this one for a replica", cause);
    }
    const head = status === 200 ? readRelayHead(headers) : undefined;
    if (head === undefined) {
      throw peerUnreachable("the replica that fetches this gives no answer that counts", new Error(`status ${status}`));
    }
    body.begin(undefined, true, this.#timeouts.stallMs, () => undefined);
    const confirms = (statement: string, given: string | undefined) =>
      credentials.confirms(authorization, statement, given);
    const relayed = new RelayBody(answer, { head, offset: request.offset, confirms }, signal);
    return { ...head, body: relayed, verdict: () => relayed.verdict() };
  }
}

function replicaUrl(holder: string): URL {
  const url = URL.canParse(holder) ? new URL(holder) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw peerUnreachable("the lease names no replica", new Error("its holder is no URL"));
}

function peerUnreachable(message: string, cause: Error): CisternError {
  return new CisternError("peer-unreachable", message, { cause });
}
