import type { ServerResponse } from "node:http";
import { isCisternError } from "../domain/errors.ts";
import type { RelayedFill } from "../domain/peer.ts";
import {
  RELAY_FIELDS,
  type RelayEnd,
  type RelayHead,
  relayEndFields,
  relayedFailure,
  relayHeadFields,
  relayStatement,
} from "../domain/relay-wire.ts";
import { PieceWriter } from "./piece-writer.ts";
import { isFault } from "./problem.ts";

export interface RelayOptions {
  /** Milliseconds after which a peer that takes no byte is ended. */
  readonly idleMs: number;
  /** Proves a statement to the peer. */
  vouch(statement: string): string;
  report(error: unknown): void;
}

/** A peer that is gone without a word is noticed although nothing is sent. */
const KEEP_ALIVE_MS = 15_000;
const TRAILERS = [RELAY_FIELDS.verdict, RELAY_FIELDS.failure, RELAY_FIELDS.proof].join(", ");

/**
 * Sends a fill to a peer as it grows: the bytes in chunks, and what became of it in trailers. What
 * has no such trailer has broken off, and is never complete (I1).
 */
export async function sendRelay(response: ServerResponse, fill: RelayedFill, options: RelayOptions): Promise<void> {
  const head: RelayHead = { url: fill.url, validator: fill.validator, total: fill.total };
  const close = () => fill[Symbol.dispose]();
  response.once("close", close);
  try {
    response.socket?.setKeepAlive(true, KEEP_ALIVE_MS);
    response.writeHead(200, {
      "Content-Type": "application/octet-stream",
      "Cache-Control": "no-store",
      "Transfer-Encoding": "chunked",
      Trailer: TRAILERS,
      ...relayHeadFields(head),
    });
    // At once: the first byte may be long in coming, and the peer waits for the head.
    response.flushHeaders();
    const end = await sendBytes(response, fill, options);
    if (end === undefined || response.destroyed) return;
    response.addTrailers({ ...relayEndFields(end), [RELAY_FIELDS.proof]: options.vouch(relayStatement(head, end)) });
    response.end();
  } finally {
    response.off("close", close);
    close();
  }
}

/** undefined: the peer is gone. */
async function sendBytes(
  response: ServerResponse,
  fill: RelayedFill,
  options: RelayOptions,
): Promise<RelayEnd | undefined> {
  using writer = new PieceWriter(response, options.idleMs);
  try {
    const alive = await writer.writeAll((max) => fill.next(max));
    return alive ? { kind: "verdict", verdict: fill.verdict() } : undefined;
  } catch (error) {
    if (response.destroyed) return undefined;
    const code = relayedFailure(isCisternError(error) ? error.code : undefined);
    // What has a code of its own, the fill itself tells of.
    if (code === "internal" && isFault(error)) options.report(error);
    return { kind: "failure", code };
  }
}
