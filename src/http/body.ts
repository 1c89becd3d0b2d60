import type { IncomingMessage } from "node:http";
import { CisternError, invalid } from "../domain/errors.ts";
import { brokenAt, jsonDepth } from "../domain/json-place.ts";

const MAX_BYTES = 1024 * 1024;
const MAX_DEPTH = 32;
const TIME_MS = 30_000;

/** The media type of the request's body, in lower case, without parameters. */
export function mediaType(request: IncomingMessage): string | undefined {
  return request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
}

/**
 * Reads a JSON body of at most 1 MiB. `unsupported-media-type` unless it is of one of these types,
 * `payload-too-large`, `request-timeout`, and `invalid-input` that names the place when it is no JSON.
 */
export async function readJson(request: IncomingMessage, types: readonly string[]): Promise<unknown> {
  requireType(request, types);
  const bytes = await readBytes(request);
  const text = decode(bytes);
  if (jsonDepth(text) > MAX_DEPTH) throw invalid("body", `must nest at most ${MAX_DEPTH} levels deep`);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const { line, column } = brokenAt(text);
    throw invalid("body", `must be JSON: it is broken at line ${line}, column ${column}`);
  }
}

function requireType(request: IncomingMessage, types: readonly string[]): void {
  const coding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "identity";
  const given = mediaType(request);
  if (given !== undefined && types.includes(given) && coding === "identity") return;
  const [field, rule] =
    coding === "identity"
      ? ["header.content-type", `must be ${types.join(" or ")}`]
      : ["header.content-encoding", "must be left out: bodies are taken as they are"];
  throw new CisternError("unsupported-media-type", `${field}: ${rule}`, { fields: [{ field, rule }] });
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw invalid("body", "must be UTF-8");
    throw error;
  }
}

/** Counts while it reads: a length that a client announces is no promise. */
function readBytes(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers["content-length"] ?? 0) > MAX_BYTES) return Promise.reject(tooLarge());
  // Without a body there are no events of one.
  if (request.readableEnded) return Promise.resolve(Buffer.alloc(0));
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let size = 0;
  const timer = setTimeout(() => {
    reject(new CisternError("request-timeout", `the body did not come within ${TIME_MS / 1000} s`));
  }, TIME_MS);
  const onData = (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_BYTES) reject(tooLarge());
    else chunks.push(chunk);
  };
  const onEnd = () => resolve(Buffer.concat(chunks, size));
  const onClose = () => reject(new Error("the client has left"));
  request.on("data", onData).once("end", onEnd).once("error", reject).once("close", onClose);
  return promise.finally(() => {
    clearTimeout(timer);
    request.off("data", onData).off("end", onEnd).off("error", reject).off("close", onClose);
    if (!request.complete) request.pause();
  });
}

function tooLarge(): CisternError {
  return new CisternError("payload-too-large", `the body may have at most ${MAX_BYTES} bytes`, {
    fields: [{ field: "body", rule: `must be at most ${MAX_BYTES} bytes` }],
  });
}
