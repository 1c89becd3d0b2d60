import { request as httpRequest, type IncomingHttpHeaders } from "node:http";

/** What a client saw of an answer. */
export interface SeenAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** False: the connection broke before the end that was announced. */
  readonly complete: boolean;
  /** The error code of the break (`ECONNRESET`), when there was one. */
  readonly broken: string | undefined;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Told of every chunk; answering false leaves the connection. */
  readonly onData?: (chunk: Buffer, soFar: number) => boolean;
  /** Takes nothing more after so many bytes until the promise settles. */
  readonly pause?: { readonly at: number; readonly until: Promise<unknown> };
}

/** One request on a connection of its own, and everything that a careful client learns of the answer. */
export function ask(url: string, options: AskOptions = {}): Promise<SeenAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<SeenAnswer>();
  const request = httpRequest(url, { method: options.method ?? "GET", headers: options.headers ?? {}, agent: false });
  request.on("error", (error: NodeJS.ErrnoException) => {
    // A reset may overtake the head that was sent before it.
    if (error.code !== "ECONNRESET") reject(error);
    else resolve({ status: 0, headers: {}, body: Buffer.alloc(0), complete: false, broken: error.code });
  });
  request.on("response", (response) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let broken: string | undefined;
    let paused = false;
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (options.onData?.(chunk, length) === false) request.destroy();
      if (options.pause === undefined || paused || length < options.pause.at) return;
      paused = true;
      response.pause();
      void options.pause.until.finally(() => response.resume());
    });
    response.on("error", (error: NodeJS.ErrnoException) => {
      broken = error.code ?? error.message;
    });
    response.on("close", () => {
      const { statusCode = 0, headers, complete } = response;
      resolve({
        status: statusCode,
        headers,
        body: Buffer.concat(chunks),
        complete: complete && broken === undefined,
        broken,
      });
    });
  });
  request.end(options.body);
  return promise;
}
