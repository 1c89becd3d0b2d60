import { createHash } from "node:crypto";
import type { Fence } from "../../src/domain/content.ts";
import { isCisternError } from "../../src/domain/errors.ts";
import type { Peers, RelayAnswer, RelayRequest } from "../../src/domain/peer.ts";
import { HttpPeers, PEER_DEFAULTS, type PeerOptions } from "../../src/origin/peer/http-peers.ts";
import { SharedSecret } from "../../src/origin/peer/shared-secret.ts";
import { SECRET } from "./relay-server.ts";

export interface RelayClientOptions {
  readonly secret?: string;
  readonly databaseNow?: () => number;
  readonly ca?: string;
  readonly timeouts?: Partial<PeerOptions["timeouts"]>;
}

export function openPeers(options: RelayClientOptions = {}): HttpPeers {
  const credentials = new SharedSecret(options.secret ?? SECRET, options.databaseNow ?? Date.now);
  return new HttpPeers(
    { ca: options.ca, timeouts: { ...PEER_DEFAULTS.timeouts, ...options.timeouts } },
    { credentials, monotonic: () => performance.now() },
  );
}

export function relayRequest(holder: string, more: Partial<RelayRequest> = {}): RelayRequest {
  return { holder, key: "key", fence: 1 as Fence, offset: 0, keep: false, ...more };
}

export const NEVER = new AbortController().signal;

/** What a caller of a relay sees: the head, the bytes, and how it ended. */
export interface RelayOutcome {
  readonly answer: RelayAnswer | undefined;
  readonly length: number;
  /** Of the bytes that came. */
  readonly sha256: string;
  /** `complete`, or the code of the error. */
  readonly end: string;
  readonly error: unknown;
}

export async function takeRelay(
  peers: Peers,
  request: RelayRequest,
  signal: AbortSignal = NEVER,
  onChunk: (length: number) => void | Promise<void> = () => undefined,
): Promise<RelayOutcome> {
  const hash = createHash("sha256");
  let length = 0;
  let answer: RelayAnswer | undefined;
  let error: unknown;
  try {
    answer = await peers.relay(request, signal);
    for await (const chunk of answer.body) {
      hash.update(chunk);
      length += chunk.length;
      await onChunk(length);
    }
  } catch (thrown) {
    error = thrown;
  }
  const end = error === undefined ? "complete" : isCisternError(error) ? error.code : String(error);
  return { answer, length, sha256: hash.digest("hex"), end, error };
}
