import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "./answer.ts";
import type { Behaviour } from "./behaviour.ts";
import { bytesAt } from "./content.ts";
import { takenByPeer } from "./taken-by-peer.ts";

const PIECE = 128 * 1024;

/** A connection: `stream` is what the client reads, `raw` what carries it (the same without TLS). */
export interface Connection {
  readonly raw: Socket;
  readonly stream: Socket;
}

export type End = "complete" | "reset" | "closed" | "left";

/** Sends the answer and breaks it where the behaviour says. `gone` fires when the client leaves. */
export async function transmit(
  connection: Connection,
  answer: Answer,
  behaviour: Behaviour,
  progress: (bytes: number) => void,
  gone: AbortSignal,
): Promise<End> {
  try {
    // Not waited for: the head leaves with the first bytes, as it does from real servers.
    connection.stream.write(Buffer.from(answer.head, "latin1"));
    const broken = await sendBody(connection, answer, behaviour, progress, gone);
    if (broken !== undefined) return broken;
    if (answer.chunked) await write(connection.stream, Buffer.from("0\r\n\r\n"), gone);
    return "complete";
  } catch (error) {
    if (gone.aborted || connection.stream.destroyed) return "left";
    throw error;
  }
}

async function sendBody(
  connection: Connection,
  answer: Answer,
  behaviour: Behaviour,
  progress: (bytes: number) => void,
  gone: AbortSignal,
): Promise<End | undefined> {
  const stops = stopsOf(behaviour, answer);
  const piece = behaviour.rate === undefined ? PIECE : Math.max(1, Math.min(PIECE, Math.ceil(behaviour.rate / 50)));
  const began = performance.now();
  let at = answer.start;
  for (;;) {
    for (let stop = stops[0]; stop !== undefined && stop.at <= at; stop = stops[0]) {
      stops.shift();
      const end = await stop.happen(connection, gone);
      if (end !== undefined) return end;
    }
    if (at >= answer.end) return undefined;
    const upTo = Math.min(answer.end, at + piece, stops[0]?.at ?? Number.POSITIVE_INFINITY);
    const bytes = flipped(bytesAt(answer.content, at, upTo - at), at, behaviour.flipBitAt);
    await write(connection.stream, answer.chunked ? asChunk(bytes) : bytes, gone);
    at = upTo;
    progress(bytes.length);
    if (behaviour.rate === undefined) continue;
    const due = began + ((at - answer.start) / behaviour.rate) * 1000;
    if (due > performance.now()) await sleep(due - performance.now(), undefined, { signal: gone });
  }
}

interface Stop {
  readonly at: number;
  happen(connection: Connection, gone: AbortSignal): Promise<End | undefined>;
}

/** The faults on the way, in the order of their bytes; those before the first byte of the answer are over. */
function stopsOf(behaviour: Behaviour, answer: Answer): Stop[] {
  const { hold, stallAt, resetAt, closeAt } = behaviour;
  const stops: Stop[] = [];
  if (hold !== undefined) {
    stops.push({
      at: hold.at,
      happen: async (_, gone) => {
        await until(hold.until, gone);
        return undefined;
      },
    });
  }
  if (stallAt !== undefined)
    stops.push({ at: stallAt, happen: (_, gone) => until(new Promise<never>(() => {}), gone) });
  if (closeAt !== undefined) stops.push({ at: closeAt, happen: async (connection) => closed(connection) });
  if (resetAt !== undefined) stops.push({ at: resetAt, happen: reset });
  return stops.filter((stop) => stop.at >= answer.start && stop.at <= answer.end).sort((a, b) => a.at - b.at);
}

function closed(connection: Connection): End {
  connection.stream.end();
  return "closed";
}

async function reset({ raw }: Connection): Promise<End> {
  await takenByPeer(raw);
  raw.resetAndDestroy();
  return "reset";
}

/** Waits for a promise, and no longer than the client. */
export async function until<T>(promise: Promise<T>, gone: AbortSignal): Promise<T> {
  gone.throwIfAborted();
  const left = Promise.withResolvers<never>();
  const leave = () => left.reject(gone.reason);
  gone.addEventListener("abort", leave);
  try {
    return await Promise.race([promise, left.promise]);
  } finally {
    gone.removeEventListener("abort", leave);
  }
}

function write(socket: Socket, bytes: Buffer, gone: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  return until(promise, gone);
}

function asChunk(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
}

function flipped(bytes: Buffer, at: number, position: number | undefined): Buffer {
  if (position === undefined || position < at || position >= at + bytes.length) return bytes;
  const changed = Buffer.from(bytes);
  changed[position - at] = (changed[position - at] ?? 0) ^ 1;
  return changed;
}
