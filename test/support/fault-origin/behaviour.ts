import type { Content } from "./content.ts";

/**
 * How one answer goes wrong. Everything is optional and combines; `{}` is a faultless origin that
 * has a strong ETag and a Last-Modified and honours Range and If-Range. Positions are bytes of the
 * content, not of the answer: a fault at byte N strikes every answer that would send byte N.
 */
export interface Behaviour {
  /** Instead of the content: this status and no more than a line of text. */
  readonly status?: number;
  /** Retry-After: seconds, or the text of a date. */
  readonly retryAfter?: number | string;
  /** More headers; they replace those of the same (lower-case) name. */
  readonly headers?: Readonly<Record<string, string>>;

  /** Bytes per second, for this answer. */
  readonly rate?: number;
  /** Keeps back the head of the answer until the promise settles. */
  readonly holdHeaders?: Promise<unknown>;
  /** Sends the bytes before `at` and keeps back the rest until the promise settles. */
  readonly hold?: { readonly at: number; readonly until: Promise<unknown> };
  /** Sends the bytes before this one, then nothing until the client goes. */
  readonly stallAt?: number;
  /** Sends the bytes before this one, waits until the client's kernel has them, then resets (RST). */
  readonly resetAt?: number;
  /** Sends the bytes before this one, then closes (FIN), whatever was announced. */
  readonly closeAt?: number;

  /** Other content than the path's: what the origin changed to. */
  readonly content?: Content;
  /** The content ends here, and the origin announces it so. */
  readonly truncateTo?: number;
  /** So many zero bytes follow the content, and the origin announces it so. */
  readonly extendBy?: number;
  /** One bit of this byte is flipped. */
  readonly flipBitAt?: number;

  /** Content-Length to announce, whatever is sent. */
  readonly contentLength?: number;
  /** Content-Range to announce, whatever is sent. */
  readonly contentRange?: string;
  /** `length` (default), `chunked`, or `close`: HTTP/1.0 without a length. */
  readonly framing?: "length" | "chunked" | "close";
  /** False: Range is ignored (200 and all bytes). */
  readonly ranges?: boolean;
  /** The entity tag, quotes (and `W/`) included; null: none. Default: from the content. */
  readonly etag?: string | null;
  /** null: none. Default: a day in the past. */
  readonly lastModified?: Date | null;

  /** 302 to this path or URL. */
  readonly redirect?: string;
  /** Status of the redirect. */
  readonly redirectStatus?: 301 | 302 | 303 | 307 | 308;
  /** `gzip`: really compressed, and labelled. `label`: labelled only. */
  readonly encoding?: "gzip" | "label";
  /** Status that answers HEAD. */
  readonly headStatus?: number;
}

/** What one request got. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly range: string | undefined;
  /** The port the client came from: tells connections apart. */
  readonly clientPort: number;
  /** Undefined until the head of the answer is sent. */
  readonly status: number | undefined;
  /** Bytes of the body that the kernel took, without the framing of chunks. */
  readonly bytesSent: number;
  /** How it ended; undefined while it runs. `left`: the client went first. */
  readonly end: "complete" | "reset" | "closed" | "left" | undefined;
}
