import { type ClientRequest, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { S3Failure, S3Timeout } from "./failure.ts";

type OnResponse = (response: IncomingMessage) => void;

/** What bounds a request. */
export interface Limits {
  readonly connectMs: number;
  /** How long the connection may be silent. */
  readonly silentMs: number;
  /** How long all of it may take, waiting for a free connection included. */
  readonly totalMs: number;
}

/** More of an answer that is an error is not read. */
const ERROR_BODY_LIMIT = 64 * 1024;

/**
 * How the SDK sends a request. The SDK knows neither signals nor time-outs, and it drops the body of
 * an answer with a status that it would retry, and with it S3's reason and the connection: here every
 * answer that is an error becomes an S3Failure.
 */
export function limitedTransport(secure: boolean, limits: Limits, signal: AbortSignal) {
  const send = secure ? httpsRequest : httpRequest;
  const request = (
    target: string | URL | RequestOptions,
    second?: RequestOptions | OnResponse,
    third?: OnResponse,
  ): ClientRequest => {
    const onResponse = typeof second === "function" ? second : third;
    if (typeof target === "string" || target instanceof URL) throw new TypeError("the SDK gives options");
    const sent = send({ ...target, signal });
    limit(sent, limits);
    sent.once("response", (response: IncomingMessage) => {
      if ((response.statusCode ?? 0) < 300) return onResponse?.(response);
      void failWith(sent, response, target.method ?? "GET");
    });
    return sent;
  };
  return { request };
}

function limit(sent: ClientRequest, { connectMs, silentMs, totalMs }: Limits): void {
  const total = setTimeout(() => sent.destroy(new S3Timeout("a request", totalMs)), totalMs);
  let connecting: NodeJS.Timeout | undefined;
  sent.once("socket", (socket) => {
    if (!socket.connecting) return;
    connecting = setTimeout(() => sent.destroy(new S3Timeout("a connection", connectMs)), connectMs);
    socket.once("connect", () => clearTimeout(connecting));
  });
  sent.setTimeout(silentMs, () => sent.destroy(new S3Timeout("an answer", silentMs)));
  sent.once("close", () => {
    clearTimeout(total);
    clearTimeout(connecting);
  });
}

/** Reads why, then fails the request as a broken connection would. */
async function failWith(sent: ClientRequest, response: IncomingMessage, method: string): Promise<void> {
  let failure: unknown;
  try {
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) {
      text += chunk;
      if (text.length > ERROR_BODY_LIMIT) break;
    }
    failure = failureOf(method, response, text);
  } catch (cause) {
    failure = cause;
  }
  // Answered before all of the body was taken: what follows on this connection would be garbage.
  if (!sent.writableFinished) sent.destroy();
  sent.emit("error", failure);
}

function failureOf(method: string, response: IncomingMessage, body: string): S3Failure {
  const header = response.headers["x-minio-error-code"];
  const code = element(body, "Code") ?? (typeof header === "string" ? header : "");
  const told = response.headers["x-amz-bucket-region"];
  const region = element(body, "Region") ?? (typeof told === "string" ? told : undefined);
  return new S3Failure(method, response.statusCode ?? 0, code, region);
}

function element(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([\\w.-]{1,100})</${name}>`).exec(xml)?.[1];
}
