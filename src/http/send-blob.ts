import type { ServerResponse } from "node:http";
import type { Piece } from "../cache/body.ts";
import type { ServedBody } from "../cache/open-readers.ts";
import type { OpenedBlob, OpenedBody, SmallHit } from "../cache/opened-blob.ts";
import type { CisternError } from "../domain/errors.ts";
import { cacheStatus, hitHeaders, recordHeaders } from "./blob-headers.ts";
import { FIRST_WRITE, PieceWriter } from "./piece-writer.ts";

export interface SendOptions {
  /** Milliseconds after which a client that takes no byte is ended. */
  readonly idleMs: number;
  /** The client takes a body that is cut for complete when it has a length: send chunks instead. */
  readonly ignoresShortBody: boolean;
}

/** How a response ended. */
export interface Sent {
  readonly status: number;
  /** Bytes of the body that the kernel has taken. */
  readonly bytes: number;
  readonly complete: boolean;
  /** Why it was reset by us, when it was. */
  readonly cut?: "stalled" | "unverified" | "withdrawn";
  /** What the body failed with, when it did. */
  readonly cause?: unknown;
}

/** Answers without a body: HEAD, 304 and redirects. */
export function sendHead(response: ServerResponse, opened: Exclude<OpenedBlob, OpenedBody>): number {
  const headers = [...recordHeaders(opened.facts), "Cache-Status", cacheStatus(opened)];
  if (opened.kind === "head" && opened.size !== undefined) headers.push("Content-Length", String(opened.size));
  if (opened.kind === "redirect") {
    response.writeHead(302, ["Location", opened.url, "Cache-Control", "no-store", "Cache-Status", cacheStatus(opened)]);
    response.end();
    return 302;
  }
  const status = opened.kind === "head" ? 200 : 304;
  response.writeHead(status, headers);
  response.end();
  return status;
}

/**
 * Sends a blob straight to the socket. A body that fails is reset, never ended (I1): some clients
 * take a connection that is merely closed for the end. Rejects only before the first byte was sent.
 */
export async function sendBlob(response: ServerResponse, opened: OpenedBody, options: SendOptions): Promise<Sent> {
  const { body, range } = opened;
  const close = () => body[Symbol.dispose]();
  response.once("close", close);
  try {
    const length = range === undefined ? undefined : range.end - range.start;
    // The first piece comes before the head, so that a failure until then is a proper answer.
    const first = length === 0 ? undefined : await body.next(FIRST_WRITE);
    const status = writeHead(response, opened, options.ignoresShortBody);
    if (first === undefined || first.bytes === length) {
      response.req.socket.setTimeout(options.idleMs);
      return await sendWhole(response, first, status);
    }
    return await sendPieces(response, body, first, options.idleMs, status);
  } finally {
    response.off("close", close);
    close();
  }
}

/**
 * Sends a hit whose bytes are at hand: head and body leave in one write. It is counted as complete
 * when it is handed to the connection: to wait for the kernel would cost as much as the answer.
 */
export function sendSmall(response: ServerResponse, hit: SmallHit, idleMs: number): Sent {
  const { block, range } = hit;
  let status = 200;
  if (hit.partial) {
    status = writeHead(response, hit, false);
    response.end(block.bytes.subarray(range.start, range.end));
  } else {
    response.writeHead(200, hitHeaders(hit));
    // Node glues text to the head, and writes the two as one; latin1 is the bytes as they are.
    if (block.text === undefined) response.end(block.bytes);
    else response.end(block.text, "latin1");
  }
  const { socket } = response.req;
  // It is stuck, or answers before it are: Node ends the connection when nothing moves for so long.
  if (response.socket === null || socket.writableLength > 0) socket.setTimeout(idleMs);
  return { status, bytes: range.end - range.start, complete: true };
}

function writeHead(response: ServerResponse, opened: OpenedBody | SmallHit, ignoresShortBody: boolean): number {
  const { range, size, partial } = opened;
  const headers = [...recordHeaders(opened.facts), "Cache-Status", cacheStatus(opened)];
  const trusting = ignoresShortBody && opened.kind === "body" && !opened.verified;
  if (range !== undefined && !trusting) headers.push("Content-Length", String(range.end - range.start));
  if (!partial || range === undefined) {
    response.writeHead(200, headers);
    return 200;
  }
  headers.push("Content-Range", `bytes ${range.start}-${range.end - 1}/${size ?? "*"}`);
  response.writeHead(206, headers);
  return 206;
}

/** One piece is all: it leaves with the head in one write. */
function sendWhole(response: ServerResponse, piece: Piece | undefined, status: number): Promise<Sent> {
  return new Promise((resolve) => {
    let over = false;
    const done = (complete: boolean) => {
      if (over) return;
      over = true;
      piece?.release();
      resolve({ status, bytes: complete ? (piece?.bytes ?? 0) : 0, complete });
    };
    response.once("close", () => done(response.writableFinished));
    const [only, ...more] = piece?.chunks ?? [];
    if (only !== undefined && more.length > 0) {
      for (const chunk of piece?.chunks ?? []) response.write(chunk);
      response.end(() => done(true));
    } else if (only === undefined) {
      response.end(() => done(true));
    } else {
      response.end(only, () => done(true));
    }
  });
}

async function sendPieces(
  response: ServerResponse,
  body: ServedBody,
  first: Piece,
  idleMs: number,
  status: number,
): Promise<Sent> {
  using writer = new PieceWriter(response, idleMs);
  let withdrawn: CisternError | undefined;
  // The client may be taking nothing, and would wait with a response that is not to be completed.
  body.onCut((error) => {
    withdrawn = error;
    writer.reset();
  });
  try {
    const complete = await writer.writeAll((max) => body.next(max), first);
    if (complete) await endOf(response);
    const sent = { status, bytes: writer.bytes, complete };
    if (withdrawn !== undefined) return { ...sent, complete: false, cut: "withdrawn", cause: withdrawn };
    return writer.stalled ? { ...sent, cut: "stalled" } : sent;
  } catch (cause) {
    writer.reset();
    const cut = withdrawn === undefined ? "unverified" : "withdrawn";
    return { status, bytes: writer.bytes, complete: false, cut, cause };
  }
}

function endOf(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    response.once("close", resolve);
    response.end(resolve);
  });
}
