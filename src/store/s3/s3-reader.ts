import { CisternError } from "../../domain/errors.ts";
import { S3Broken, S3Failure, S3Timeout } from "./failure.ts";
import type { ReadConnection } from "./read-connection.ts";
import { ReadPool } from "./read-pool.ts";
import type { ResponseHead } from "./response-head.ts";
import type { S3Session } from "./session.ts";
import { isAbsence } from "./size-of.ts";

/** An object as it was when it was opened. */
export interface ObjectVersion {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
}

/** Reads objects by HEAD and ranged GET, over connections of its own and with URLs that the SDK signs. */
export class S3Reader implements Disposable {
  readonly #session: S3Session;
  readonly #pool: ReadPool;

  private constructor(session: S3Session, pool: ReadPool) {
    this.#session = session;
    this.#pool = pool;
  }

  /** @param authorities PEM certificates that are trusted instead of the built-in ones */
  static async create(session: S3Session, authorities: string[] | undefined): Promise<S3Reader> {
    const { connectMs, requestMs, maxReads } = session.settings;
    // Where the SDK sends requests for this bucket, path style or not.
    const { hostname, port, protocol } = await session.sign("HEAD", "host");
    const secure = protocol === "https:";
    const target = {
      host: hostname.replace(/^\[|\]$/g, ""),
      port: port === "" ? (secure ? 443 : 80) : Number(port),
      tls: secure ? { ca: authorities } : undefined,
      connectMs,
      requestMs,
    };
    return new S3Reader(session, new ReadPool(target, maxReads));
  }

  /** undefined: certainly absent. */
  async look(key: string, signal: AbortSignal): Promise<ObjectVersion | undefined> {
    const { connection, head } = await this.#ask("HEAD", key, "", false);
    this.#pool.give(connection);
    if (head.status !== 200) {
      const failure = new S3Failure("HEAD", head.status, head.s3Code);
      if (await isAbsence(this.#session, failure, signal)) return undefined;
      throw failure;
    }
    if (head.length === undefined || head.etag === undefined) throw new S3Broken("an object without size or ETag");
    return { key, size: head.length, etag: head.etag };
  }

  /**
   * Begins to read `length` bytes of that very version. `store-unavailable` when it is gone or not
   * the same any more.
   * @param fresh over a new connection
   */
  async open({ key, etag, size }: ObjectVersion, start: number, length: number, fresh: boolean): Promise<OpenRange> {
    const fields = `Range: bytes=${start}-${start + length - 1}\r\nIf-Match: ${etag}\r\n`;
    const { connection, head } = await this.#ask("GET", key, fields, fresh);
    const { status, range } = head;
    const fits = range?.start === start && range.end === start + length && range.size === size;
    if (status === 206 && fits && head.length === length && (head.etag ?? etag) === etag) {
      return new OpenRange(connection, this.#pool, start, length);
    }
    connection.destroy();
    this.#pool.give(connection);
    const failure = new S3Failure("GET", status, head.s3Code);
    if (status === 404 || status === 412 || status === 416) {
      throw new CisternError("store-unavailable", "stored content is gone, or is not what it was", { cause: failure });
    }
    throw status < 300 ? new S3Broken("the answer is for another range than was asked for") : failure;
  }

  [Symbol.dispose](): void {
    this.#pool[Symbol.dispose]();
  }

  async #ask(
    method: "GET" | "HEAD",
    key: string,
    fields: string,
    fresh: boolean,
  ): Promise<{ readonly connection: ReadConnection; readonly head: ResponseHead }> {
    const { pathname, search, host } = await this.#session.sign(method, key);
    const { lookMs, requestMs } = this.#session.settings;
    const { connection, rested } = await this.#pool.take(fresh);
    try {
      const request = `${method} ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: cistern\r\n${fields}\r\n`;
      return { connection, head: await connection.ask(method, request, method === "HEAD" ? lookMs : requestMs) };
    } catch (error) {
      connection.destroy();
      this.#pool.give(connection);
      // The server may close a connection that rests at the moment when it is used again.
      if (rested && !fresh && !(error instanceof S3Timeout)) return await this.#ask(method, key, fields, true);
      throw error;
    }
  }
}

/** A range whose bytes are on their way. */
export class OpenRange {
  readonly #connection: ReadConnection;
  readonly #pool: ReadPool;
  #position: number;
  #left: number;
  #unlist: (() => void) | undefined;
  #closed = false;

  constructor(connection: ReadConnection, pool: ReadPool, start: number, length: number) {
    this.#connection = connection;
    this.#pool = pool;
    this.#position = start;
    this.#left = length;
  }

  /** Offset within the object of the byte that comes next. */
  get position(): number {
    return this.#position;
  }

  /** Whether there are bytes to come. */
  get isOpen(): boolean {
    return !this.#closed;
  }

  /** Whether all of it was read. */
  get isDone(): boolean {
    return this.#left === 0;
  }

  /** Fills the beginning of `into`, as far as the range goes. Answers how many bytes. */
  async fill(into: Buffer): Promise<number> {
    this.#unlist?.();
    this.#unlist = undefined;
    const length = Math.min(into.length, this.#left);
    await this.#connection.fill(into.subarray(0, length));
    this.#position += length;
    this.#left -= length;
    if (this.#left === 0) this.close();
    return length;
  }

  /** Nobody reads just now: who needs the place may have it. */
  rest(): void {
    if (!this.#closed) this.#unlist ??= this.#pool.yieldTo(() => this.close());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unlist?.();
    if (this.#left > 0) this.#connection.destroy();
    this.#pool.give(this.#connection);
  }
}
