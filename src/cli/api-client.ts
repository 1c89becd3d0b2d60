import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { text } from "node:stream/consumers";
import type { z } from "zod";
import type { Credential } from "./credential.ts";
import { EXIT, Failure } from "./failure.ts";
import { parseJson, parseProblem } from "./problem-body.ts";
import { failureOfStatus, failureOfTransport } from "./server-failure.ts";

/** Longest silence of a server; a held-back tail trickles a byte in ten seconds. */
const SILENCE_MS = 150_000;
const MAX_REDIRECTS = 5;

export interface ApiRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path and query below the server's URL. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON under `contentType`. */
  readonly body?: unknown;
  readonly contentType?: string;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The bytes; a connection that breaks is a `Failure`. Leaving the loop early closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Closes the connection without reading on. */
  discard(): void;
}

/** A Cistern that is spoken to over HTTP. Everything that goes wrong is a `Failure`. */
export class ApiClient {
  readonly #base: URL;
  readonly #credential: Credential;

  constructor(base: URL, credential: Credential) {
    this.#base = base;
    this.#credential = credential;
  }

  /** Sends a request and answers a successful response with its body unread; follows redirects of GET and HEAD. */
  async open(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer> {
    let url = new URL(this.#base.href.replace(/\/+$/, "") + request.path);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const answer = await this.#send(url, request, signal);
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status < 300) {
        return { status, headers: answer.headers, body: chunksOf(answer, url), discard: () => answer.destroy() };
      }
      const target = answer.headers.location;
      const reading = request.method === "GET" || request.method === "HEAD";
      if (status > 300 && status < 400 && target !== undefined && reading) {
        answer.destroy();
        url = new URL(target, url);
        continue;
      }
      const problem = parseProblem(await text(chunksOf(answer, url)));
      throw failureOfStatus(status, answer.headers, problem, this.#credential);
    }
    throw new Failure("the server redirects without end", { exit: EXIT.failed, code: "too-many-redirects" });
  }

  /** Sends a request whose answer is JSON of this shape. */
  async call<T>(request: ApiRequest, shape: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    const answer = await this.open(request, signal);
    const parsed = shape.safeParse(parseJson(await text(answer.body)));
    if (parsed.success) return parsed.data;
    throw new Failure(`${this.#base.origin} does not answer like Cistern`, {
      exit: EXIT.failed,
      code: "unexpected-answer",
      hint: "is it Cistern that listens there, and of the same version? (--url, CISTERN_URL)",
      cause: parsed.error,
    });
  }

  /** Sends a request whose answer has nothing to say. */
  async send(request: ApiRequest, signal: AbortSignal): Promise<void> {
    const answer = await this.open(request, signal);
    await text(answer.body);
  }

  #send(url: URL, request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const headers: Record<string, string> = { accept: "*/*", ...request.headers };
    // A redirect leads to the origin: the token is the server's alone.
    if (this.#credential.token !== undefined && url.origin === this.#base.origin) {
      headers.authorization = `Bearer ${this.#credential.token}`;
    }
    if (body !== undefined) {
      headers["content-type"] = request.contentType ?? "application/json";
      headers["content-length"] = String(body.length);
    }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const dial = url.protocol === "https:" ? httpsRequest : httpRequest;
    const outgoing = dial(url, { method: request.method, headers, signal });
    outgoing.setTimeout(SILENCE_MS, () =>
      outgoing.destroy(Object.assign(new Error("no byte came"), { code: "ETIMEDOUT" })),
    );
    outgoing.once("response", resolve);
    outgoing.once("error", (error) => reject(failureOfTransport(error, url)));
    outgoing.end(body);
    return promise;
  }
}

async function* chunksOf(answer: IncomingMessage, url: URL): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of answer) yield chunk;
  } catch (error) {
    throw failureOfTransport(error, url);
  }
}
