import type { IncomingMessage, ServerResponse } from "node:http";
import type { BlobOpener } from "../cache/open-blob.ts";
import type { BlobRequest, OpenedBlob, SmallHit } from "../cache/opened-blob.ts";
import type { BlobRef } from "../domain/blob.ts";
import { parseRange } from "../domain/byte-range.ts";
import type { Clock } from "../domain/clock.ts";
import type { Events } from "../domain/events.ts";
import type { Principal } from "../domain/principal.ts";
import { clientAddress } from "./client-address.ts";
import { type Sent, sendBlob, sendHead, sendSmall } from "./send-blob.ts";

export interface ServeBlobPorts {
  readonly opener: BlobOpener;
  readonly events: Events;
  readonly clock: Clock;
  /** Milliseconds after which a client that takes no byte is ended. */
  readonly idleMs: number;
}

/** The blob that a path names. */
export interface NamedBlob {
  readonly type: string;
  readonly ref: BlobRef;
}

/** Clients that were seen to take a body that ends too early for complete. */
const IGNORES_SHORT_BODY = /^python-(requests|glanceclient)\b/;
/** Clients that were seen to send their `Authorization` again to another host that a redirect names. */
const SENDS_AUTHORIZATION_ON = /\b(wget|aria2|python-urllib)\b/i;

/**
 * Serves GET and HEAD of a blob on Node's own request and response. Rejects with the error to
 * render when nothing was sent yet.
 */
export async function serveBlob(
  ports: ServeBlobPorts,
  request: IncomingMessage,
  response: ServerResponse,
  named: NamedBlob,
  principal: Principal,
): Promise<void> {
  const began = ports.clock.monotonic();
  const asked = blobRequest(request, named, principal);
  const opened = ports.opener.openWarm(asked) ?? (await openCold(ports, asked, response));
  if (opened === undefined) return;
  const sent = await send(ports, request, response, opened);
  const milliseconds = Math.round(ports.clock.monotonic() - began);
  report(ports.events, asked, opened, sent, milliseconds);
}

/**
 * Serves a hot hit on small content, synchronously; false when it is not one, and nothing was done.
 * It decides as `serveBlob` does: the same authorisation and the same conditions (I6).
 */
export function serveSmall(
  ports: ServeBlobPorts,
  request: IncomingMessage,
  response: ServerResponse,
  named: NamedBlob,
  principal: Principal,
): boolean {
  const asked = blobRequest(request, named, principal);
  const hit = ports.opener.openSmall(asked);
  if (hit === undefined) return false;
  report(ports.events, asked, hit, sendSmall(response, hit, ports.idleMs), 0);
  return true;
}

/** undefined: the client has left, and nobody is there to be told anything. */
async function openCold(
  ports: ServeBlobPorts,
  asked: BlobRequest,
  response: ServerResponse,
): Promise<OpenedBlob | undefined> {
  const gone = new AbortController();
  const onClose = () => gone.abort(new Error("the client has left"));
  response.once("close", onClose);
  try {
    return await ports.opener.open(asked, gone.signal);
  } catch (error) {
    if (gone.signal.aborted) return undefined;
    throw error;
  } finally {
    response.off("close", onClose);
  }
}

async function send(
  ports: ServeBlobPorts,
  request: IncomingMessage,
  response: ServerResponse,
  opened: OpenedBlob,
): Promise<Sent> {
  if (opened.kind !== "body") return { status: sendHead(response, opened), bytes: 0, complete: true };
  if (response.destroyed) {
    opened.body[Symbol.dispose]();
    return { status: 499, bytes: 0, complete: false };
  }
  const ignoresShortBody = request.httpVersionMinor > 0 && IGNORES_SHORT_BODY.test(request.headers["user-agent"] ?? "");
  return sendBlob(response, opened, { idleMs: ports.idleMs, ignoresShortBody });
}

function blobRequest(request: IncomingMessage, named: NamedBlob, principal: Principal): BlobRequest {
  const { headers } = request;
  const head = request.method === "HEAD";
  return {
    ref: named.ref,
    type: named.type,
    principal,
    address: clientAddress(request),
    head,
    range: parseRange(head ? undefined : headers.range),
    conditionals: {
      ifNoneMatch: headers["if-none-match"],
      ifModifiedSince: headers["if-modified-since"],
      ifMatch: headers["if-match"],
      ifUnmodifiedSince: headers["if-unmodified-since"],
      ifRange: one(headers["if-range"]),
    },
    sendsTokenOn: sendsTokenOn(headers),
    takesChunks: request.httpVersionMinor > 0,
  };
}

/** Whatever its client, an `X-Auth-Token` is sent on: to them it is any header. */
function sendsTokenOn({ authorization, ...headers }: IncomingMessage["headers"]): boolean {
  if (headers["x-auth-token"] !== undefined) return true;
  return authorization !== undefined && SENDS_AUTHORIZATION_ON.test(headers["user-agent"] ?? "");
}

function report(
  events: Events,
  asked: BlobRequest,
  opened: OpenedBlob | SmallHit,
  sent: Sent,
  milliseconds: number,
): void {
  const blob = opened.facts.resolved.blob.id;
  const { address } = asked;
  const outcome = "outcome" in opened ? opened.outcome : opened.kind;
  const { status, bytes, complete } = sent;
  const token = asked.principal.tokenId;
  events.emit({ kind: "blob-served", blob, token, address, outcome, status, bytes, complete, milliseconds });
  if (sent.cut !== undefined) events.emit({ kind: "reader-cut", blob, address, reason: sent.cut, cause: sent.cause });
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
