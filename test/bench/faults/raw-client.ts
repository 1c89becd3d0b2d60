import { connect } from "node:net";

/** What came over one connection for one request, and how it ended. */
export interface RawAnswer {
  /** 0: not even a head came. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded from chunks. */
  readonly body: Buffer;
  /** What curl decides: the framing says that everything came. */
  readonly complete: boolean;
  /** `fin` on a body that is not complete: lenient clients take it for complete all the same. */
  readonly end: "framing" | "fin" | "reset" | "timeout";
}

export interface RawRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly version: "1.0" | "1.1";
  readonly timeoutMs: number;
  /** The address to come from: what makes one client another. */
  readonly localAddress: string;
}

interface Parsed extends Omit<RawAnswer, "complete" | "end"> {
  /** `open`: the end of the connection is the end of the body. */
  readonly framing: "complete" | "short" | "open";
}

/** GET over a plain socket, read byte by byte as it is, without a library's leniency. Never rejects. */
export async function rawGet(request: RawRequest): Promise<RawAnswer> {
  const socket = connect({
    port: Number(request.url.port),
    host: request.url.hostname,
    localAddress: request.localAddress,
  });
  const { promise, resolve } = Promise.withResolvers<RawAnswer>();
  const chunks: Buffer[] = [];
  const settle = (end: "fin" | "reset" | "timeout") => {
    const parsed = parse(Buffer.concat(chunks));
    const complete = parsed.framing === "complete" || (parsed.framing === "open" && end === "fin");
    const { status, headers, body } = parsed;
    resolve({ status, headers, body, complete, end: parsed.framing === "complete" ? "framing" : end });
    socket.destroy();
  };
  socket.setTimeout(request.timeoutMs, () => settle("timeout"));
  const deadline = setTimeout(() => settle("timeout"), request.timeoutMs);
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    if (mayBeComplete(chunks) && parse(Buffer.concat(chunks)).framing === "complete") settle("fin");
  });
  socket.on("end", () => settle("fin"));
  socket.on("error", () => settle("reset"));
  const lines = [
    `GET ${request.url.pathname} HTTP/${request.version}`,
    `Host: ${request.url.host}`,
    ...Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`),
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const answer = await promise;
  clearTimeout(deadline);
  return answer;
}

/** Spares most of the parsing: whether the length that is announced can have come by now. */
function mayBeComplete(chunks: readonly Buffer[]): boolean {
  const head = chunks[0]?.toString("latin1", 0, 4096) ?? "";
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const last = chunks.at(-1);
  if (length === undefined) return last?.subarray(-5).equals(Buffer.from("0\r\n\r\n")) ?? false;
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0) >= Number(length);
}

function parse(bytes: Buffer): Parsed {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return { status: 0, headers: {}, body: Buffer.alloc(0), framing: "short" };
  const [first = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const status = Number(first.split(" ")[1]);
  return { status, headers, ...framed(bytes.subarray(end + 4), headers) };
}

function framed(rest: Buffer, headers: Readonly<Record<string, string>>): Pick<Parsed, "body" | "framing"> {
  if (headers["transfer-encoding"] === "chunked") return dechunked(rest);
  if (headers["content-length"] === undefined) return { body: rest, framing: "open" };
  const length = Number(headers["content-length"]);
  return { body: rest.subarray(0, length), framing: rest.length >= length ? "complete" : "short" };
}

function dechunked(rest: Buffer): Pick<Parsed, "body" | "framing"> {
  const pieces: Buffer[] = [];
  for (let at = 0; ; ) {
    const line = rest.indexOf("\r\n", at);
    if (line < 0) return { body: Buffer.concat(pieces), framing: "short" };
    const size = Number.parseInt(rest.toString("latin1", at, line), 16);
    if (size === 0) {
      return { body: Buffer.concat(pieces), framing: rest.length >= line + 4 ? "complete" : "short" };
    }
    pieces.push(rest.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}
