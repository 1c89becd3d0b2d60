import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Answer } from "./answer.ts";
import type { Behaviour, SeenRequest } from "./behaviour.ts";
import { certificate, privateKey } from "./certificate.ts";
import { onRequest, type RequestHead } from "./request-reader.ts";
import { transmit, until } from "./transmit.ts";

/** The record of a request while it is answered. */
export type RunningRequest = { -readonly [Key in keyof SeenRequest]: SeenRequest[Key] };

export interface Plan {
  readonly behaviour: Behaviour;
  readonly answer: Answer;
  readonly record: RunningRequest;
}

/** Answers the requests of one connection one after another; `plan` says how. */
export function serveConnection(
  raw: Socket,
  secure: boolean,
  plan: (request: RequestHead, clientPort: number) => Plan,
): void {
  raw.setNoDelay(true);
  const gone = new AbortController();
  const leave = () => gone.abort(new Error("the client has left"));
  const stream = secure ? new TLSSocket(raw, { isServer: true, cert: certificate, key: privateKey }) : raw;
  // Clients that go away in the middle are what this server is for.
  for (const socket of new Set([raw, stream])) socket.on("error", leave).on("close", leave);
  let turn = Promise.resolve();
  onRequest(stream, (request) => {
    const planned = plan(request, raw.remotePort ?? 0);
    turn = turn.then(() => respond(raw, stream, planned, gone.signal));
  });
}

async function respond(raw: Socket, stream: Socket, plan: Plan, gone: AbortSignal): Promise<void> {
  const { record, answer, behaviour } = plan;
  try {
    if (behaviour.holdHeaders !== undefined) await until(behaviour.holdHeaders, gone);
  } catch (error) {
    record.end = "left";
    if (gone.aborted) return;
    throw error;
  }
  record.status = answer.status;
  const connection = { raw, stream };
  record.end = await transmit(
    connection,
    answer,
    behaviour,
    (bytes) => {
      record.bytesSent += bytes;
    },
    gone,
  );
  if (record.end === "complete" && !answer.keepAlive) stream.end();
}
