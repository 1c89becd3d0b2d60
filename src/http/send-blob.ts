import type { ServerResponse } from "node:http";
import type { BlobBody, Piece } from "../cache/body.ts";
import type { OpenedBlob, OpenedBody, SmallHit } from "../cache/opened-blob.ts";
import { cacheStatus, hitHeaders, recordHeaders } from "./blob-headers.ts";

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
  readonly cut?: "stalled" | "unverified";
  /** What the body failed with, when it did. */
  readonly cause?: unknown;
}

const FIRST_WRITE = 64 * 1024;
const LARGEST_WRITE = 1024 * 1024;
/** More than one small answer with its head. */
const BACKLOG = 128 * 1024;
const QUICK_MS = 50;
const SLOW_MS = 1_000;

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
      response.socket?.setTimeout(options.idleMs);
      return await sendWhole(response, first, status);
    }
    return await new BodyWriter(response, body, options.idleMs, status).send(first);
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
  const { socket } = response;
  // Answers before this one are stuck: Node ends the connection when nothing moves for so long.
  if (socket !== null && socket.writableLength > BACKLOG) socket.setTimeout(idleMs);
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

/** Writes piece after piece, each when the kernel has taken the one before. */
class BodyWriter {
  readonly #response: ServerResponse;
  readonly #body: BlobBody;
  readonly #idleMs: number;
  readonly #status: number;
  #bytes = 0;
  #cut: Sent["cut"];
  #cause: unknown;
  #taken: ((alive: boolean) => void) | undefined;

  constructor(response: ServerResponse, body: BlobBody, idleMs: number, status: number) {
    this.#response = response;
    this.#body = body;
    this.#idleMs = idleMs;
    this.#status = status;
  }

  async send(first: Piece): Promise<Sent> {
    const response = this.#response;
    const onClose = () => this.#taken?.(false);
    response.once("close", onClose);
    this.#watchIdle();
    try {
      const complete = await this.#sendAll(first);
      if (complete) await this.#end();
      return this.#sent(complete);
    } finally {
      response.off("close", onClose);
    }
  }

  async #sendAll(first: Piece): Promise<boolean> {
    let piece: Piece | undefined = first;
    let size = FIRST_WRITE;
    while (piece !== undefined) {
      const began = performance.now();
      const alive = await this.#write(piece);
      if (!alive) return false;
      this.#bytes += piece.bytes;
      const took = performance.now() - began;
      // Quick readers get large pieces; what a slow one holds stays small.
      if (took < QUICK_MS) size = Math.min(LARGEST_WRITE, size * 2);
      else if (took > SLOW_MS) size = Math.max(FIRST_WRITE, size / 2);
      try {
        piece = await this.#body.next(size);
      } catch (error) {
        this.#cause = error;
        this.#reset("unverified");
        return false;
      }
    }
    return !this.#response.destroyed;
  }

  /** True when the kernel has taken the piece; false when the connection is gone. */
  #write(piece: Piece): Promise<boolean> {
    const response = this.#response;
    return new Promise((resolve) => {
      this.#taken = (alive) => {
        if (this.#taken === undefined) return;
        this.#taken = undefined;
        piece.release();
        resolve(alive);
      };
      if (response.destroyed) {
        this.#taken(false);
        return;
      }
      const { chunks } = piece;
      const last = chunks.length - 1;
      if (last > 0) response.cork();
      for (let index = 0; index < last; index += 1) response.write(chunks[index]);
      response.write(chunks[last], (error) => this.#taken?.(error === undefined || error === null));
      if (last > 0) response.uncork();
    });
  }

  /** Node's socket time-out counts from the last progress of the kernel's queue, whatever its size. */
  #watchIdle(): void {
    const { socket } = this.#response;
    socket?.setTimeout(this.#idleMs);
    this.#response.on("timeout", () => {
      if (this.#taken !== undefined) this.#reset("stalled");
      else socket?.setTimeout(this.#idleMs); // we are the ones who have nothing to send
    });
  }

  #reset(why: "stalled" | "unverified"): void {
    this.#cut = why;
    this.#response.socket?.resetAndDestroy();
    this.#taken?.(false);
  }

  #end(): Promise<void> {
    return new Promise((resolve) => {
      this.#response.once("close", resolve);
      this.#response.end(resolve);
    });
  }

  #sent(complete: boolean): Sent {
    const whole = { status: this.#status, bytes: this.#bytes, complete };
    return this.#cut === undefined ? whole : { ...whole, cut: this.#cut, cause: this.#cause };
  }
}
