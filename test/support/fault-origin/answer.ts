import { createHash } from "node:crypto";
import { STATUS_CODES } from "node:http";
import { gzipSync } from "node:zlib";
import type { Behaviour } from "./behaviour.ts";
import { bytesAt, type Content, sizeOf } from "./content.ts";
import type { RequestHead } from "./request-reader.ts";

/** What goes out, before anything breaks on the way. */
export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly content: Content;
  /** The bytes of the content that the body has: from, and up to but without. */
  readonly start: number;
  readonly end: number;
  readonly chunked: boolean;
  readonly keepAlive: boolean;
}

const EXTENSION_LIMIT = 64 * 2 ** 20;

/** Decides status, headers and bytes as RFC 9110 wants them, but for what the behaviour says. */
export function answer(request: RequestHead, stored: Content, behaviour: Behaviour): Answer {
  const status = behaviour.status ?? (request.method === "HEAD" ? behaviour.headStatus : undefined);
  if (status !== undefined) return textual(request, behaviour, status, {});
  if (behaviour.redirect !== undefined) {
    return textual(request, behaviour, behaviour.redirectStatus ?? 302, { location: behaviour.redirect });
  }
  const content = shape(stored, behaviour);
  const size = sizeOf(content);
  const headers: Record<string, string> = {
    "content-type": "application/octet-stream",
    ...validators(content, behaviour),
    ...(behaviour.ranges === false ? {} : { "accept-ranges": "bytes" }),
    ...(behaviour.encoding === undefined ? {} : { "content-encoding": "gzip" }),
  };
  const range = behaviour.ranges === false ? undefined : rangeOf(request, headers, size);
  if (range === "unsatisfiable") return textual(request, behaviour, 416, { "content-range": `bytes */${size}` });
  const { start, end } = range ?? { start: 0, end: size };
  if (range !== undefined) headers["content-range"] = behaviour.contentRange ?? `bytes ${start}-${end - 1}/${size}`;
  return build(request, behaviour, range === undefined ? 200 : 206, headers, { content, start, end });
}

function textual(request: RequestHead, behaviour: Behaviour, status: number, headers: Record<string, string>): Answer {
  const content = Buffer.from(`${status} ${STATUS_CODES[status] ?? ""}\n`);
  return build(
    request,
    behaviour,
    status,
    { "content-type": "text/plain", ...headers },
    { content, start: 0, end: content.length },
  );
}

function build(
  request: RequestHead,
  behaviour: Behaviour,
  status: number,
  headers: Record<string, string>,
  body: { content: Content; start: number; end: number },
): Answer {
  const framing = behaviour.framing ?? "length";
  // After a length that lies the next answer could not be told from this one.
  const keepAlive = framing !== "close" && behaviour.contentLength === undefined && request.keepAlive;
  if (framing === "length") headers["content-length"] = String(behaviour.contentLength ?? body.end - body.start);
  if (framing === "chunked") headers["transfer-encoding"] = "chunked";
  if (behaviour.retryAfter !== undefined) headers["retry-after"] = String(behaviour.retryAfter);
  const all = {
    date: new Date().toUTCString(),
    connection: keepAlive ? "keep-alive" : "close",
    ...headers,
    ...behaviour.headers,
  };
  const version = framing === "close" ? "HTTP/1.0" : "HTTP/1.1";
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${version} ${status} ${STATUS_CODES[status] ?? "Status"}\r\n${lines.join("")}\r\n`;
  const end = request.method === "HEAD" ? body.start : body.end;
  const chunked = framing === "chunked" && request.method !== "HEAD";
  return { status, head, content: body.content, start: body.start, end, chunked, keepAlive };
}

function shape(stored: Content, behaviour: Behaviour): Content {
  let content = behaviour.content ?? stored;
  if (behaviour.truncateTo !== undefined) {
    content = Buffer.isBuffer(content)
      ? content.subarray(0, behaviour.truncateTo)
      : { ...content, size: Math.min(content.size, behaviour.truncateTo) };
  }
  if (behaviour.extendBy !== undefined) content = Buffer.concat([whole(content), Buffer.alloc(behaviour.extendBy)]);
  if (behaviour.encoding === "gzip") content = gzipSync(whole(content));
  return content;
}

function whole(content: Content): Buffer {
  if (sizeOf(content) > EXTENSION_LIMIT) throw new Error("too large to be held in memory");
  return bytesAt(content, 0, sizeOf(content));
}

function validators(content: Content, behaviour: Behaviour): Record<string, string> {
  const { etag = defaultTag(content), lastModified = new Date(Math.floor(Date.now() / 86_400_000 - 1) * 86_400_000) } =
    behaviour;
  return {
    ...(etag === null ? {} : { etag }),
    ...(lastModified === null ? {} : { "last-modified": lastModified.toUTCString() }),
  };
}

function defaultTag(content: Content): string {
  const identity = Buffer.isBuffer(content) ? content : `${content.size} ${content.seed}`;
  return `"${createHash("md5").update(identity).digest("hex").slice(0, 16)}"`;
}

type Extent = { readonly start: number; readonly end: number };

function rangeOf(
  request: RequestHead,
  headers: Readonly<Record<string, string>>,
  size: number,
): Extent | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "");
  const condition = request.headers["if-range"];
  if (match === null || request.method !== "GET") return undefined;
  // RFC 9110 §13.1.5: a weak entity tag never matches; dates match exactly.
  if (condition?.startsWith("W/")) return undefined;
  if (condition !== undefined && condition !== headers.etag && condition !== headers["last-modified"]) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  if (first === "")
    return Number(last) === 0 ? "unsatisfiable" : { start: Math.max(0, size - Number(last)), end: size };
  if (Number(first) >= size) return "unsatisfiable";
  if (last !== "" && Number(last) < Number(first)) return undefined;
  return { start: Number(first), end: last === "" ? size : Math.min(size, Number(last) + 1) };
}
