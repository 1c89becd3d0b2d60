import { Agent } from "undici";
import { askersTarget, MAX_ASKERS_BYTES, readAskers } from "../../domain/askers-wire.ts";
import { CisternError, isCisternError } from "../../domain/errors.ts";
import type { PeerCredentials, Peers, RelayAnswer, RelayRequest } from "../../domain/peer.ts";
import type { RecentAsker } from "../../domain/recent-asker.ts";
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
 * The other replicas, at the addresses that leases and heartbeats name. Those are private by nature, so that no
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
    const { answer, confirms } = await this.#ask(request.holder, relayTarget(request), signal);
    const head = readRelayHead(answer.headers);
    if (head === undefined) throw closed(answer, peerUnreachable(NO_ANSWER, new Error("no head of a relay")));
    answer.body.begin(undefined, true, this.#timeouts.stallMs, () => undefined);
    const relayed = new RelayBody(answer, { head, offset: request.offset, confirms }, signal);
    return { ...head, body: relayed, verdict: () => relayed.verdict() };
  }

  async askers(holder: string, signal: AbortSignal): Promise<readonly RecentAsker[]> {
    const { answer, confirms } = await this.#ask(holder, askersTarget(holder), signal);
    const text = await this.#whole(answer, MAX_ASKERS_BYTES, signal);
    const askers = confirms(text, proofIn(answer)) ? readAskers(text) : undefined;
    if (askers === undefined) throw peerUnreachable(NO_ANSWER, new Error("no proved list"));
    return askers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  /** An answer 200, whose body must be read or aborted. */
  async #ask(holder: string, target: string, signal: AbortSignal): Promise<Asked> {
    const base = replicaUrl(holder);
    const { credentials } = this.#ports;
    const authorization = credentials.sign({ method: "GET", target });
    const answer = await this.#send(new URL(target, base), authorization, signal);
    const confirms: Asked["confirms"] = (statement, proof) => credentials.confirms(authorization, statement, proof);
    const refusal = refusalIn(answer, confirms);
    if (refusal !== undefined) throw closed(answer, refusal);
    return { answer, confirms };
  }

  async #send(url: URL, authorization: string, signal: AbortSignal): Promise<Exchange> {
    const headers = { authorization, "user-agent": "Cistern" };
    const request = { method: "GET", url, headers, origin: url.host, ...this.#timeouts } as const;
    try {
      return await exchange(this.#agent, request, this.#ports.monotonic, signal);
    } catch (error) {
      if (signal.aborted || !isCisternError(error)) throw error;
      throw peerUnreachable("the other replica does not answer", error);
    }
  }

  async #whole({ body }: Exchange, maxBytes: number, signal: AbortSignal): Promise<string> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    body.begin(undefined, true, this.#timeouts.stallMs, () => undefined);
    try {
      for await (const chunk of body) {
        length += chunk.length;
        if (length > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      if (signal.aborted) throw error;
      throw peerUnreachable("the other replica's answer broke off, or is too long", error);
    }
    return Buffer.concat(chunks).toString();
  }
}

/** What a replica has answered, and whether it has said this. */
interface Asked {
  readonly answer: Exchange;
  readonly confirms: (statement: string, proof: string | undefined) => boolean;
}

const NO_ANSWER = "the other replica gives no answer that counts";

function refusalIn(answer: Exchange, confirms: Asked["confirms"]): CisternError | undefined {
  const { status } = answer;
  if (status === 200) return undefined;
  // Only a replica may say so: whatever else answers at its address must not cost it its lease.
  if (status === 409 && confirms(DENIAL, proofIn(answer))) {
    return new CisternError("peer-denied", "the other replica is another process, or does not fetch this");
  }
  if (status !== 401) return peerUnreachable(NO_ANSWER, new Error(`status ${status}`));
  const cause = new Error("status 401: is its CISTERN_CLUSTER_SECRET another one?");
  return peerUnreachable("the other replica does not take this one for a replica", cause);
}

function proofIn({ headers }: Exchange): string | undefined {
  const proof = headers[RELAY_FIELDS.proof];
  return typeof proof === "string" ? proof : undefined;
}

function closed({ body }: Exchange, error: CisternError): CisternError {
  body.abort(error);
  return error;
}

function replicaUrl(holder: string): URL {
  const url = URL.canParse(holder) ? new URL(holder) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw peerUnreachable("this names no replica", new Error("its holder is no URL"));
}

function peerUnreachable(message: string, cause: unknown): CisternError {
  return new CisternError("peer-unreachable", message, { cause });
}
