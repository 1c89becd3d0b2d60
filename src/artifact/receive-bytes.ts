import type { Clock } from "../domain/clock.ts";
import type { Algorithm, Digests, Sha256 } from "../domain/digest.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import type { Hasher } from "../domain/hasher.ts";
import type { SpoolFile } from "../domain/spool.ts";

export interface ReceivePorts {
  readonly hasher: Hasher;
  readonly clock: Clock;
  /** Milliseconds without a byte after which the sender is given up. */
  readonly stallMs: number;
  /** Bytes that an upload may have. */
  readonly maxBytes: number;
}

export interface Received {
  readonly size: number;
  readonly digests: Digests & { readonly sha256: Sha256 };
}

/** The bytes that a client sends, and how many it announced (Content-Length). */
export interface Upload {
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly length: number | undefined;
  readonly contentType: string;
}

/** Where an upload's bytes go. */
export interface UploadTarget {
  readonly file: SpoolFile;
  /** Has room for bytes up to `end`; `no-space`. */
  cover(end: number): Promise<void>;
}

/**
 * Takes a client's bytes into the spool and hashes them, with back-pressure; nothing is durable
 * yet. `payload-too-large`, `spool-full`, `no-space`, `request-timeout` when the client stalls, the signal's
 * reason, or what the stream throws. Leaves the iteration of the stream unfinished on failure.
 */
export async function receiveBytes(
  ports: ReceivePorts,
  upload: Upload,
  { file, cover }: UploadTarget,
  algorithms: readonly Algorithm[],
  signal: AbortSignal,
): Promise<Received> {
  const hashing = ports.hasher.start(algorithms);
  using watch = new StallWatch(ports.clock, ports.stallMs, signal);
  const source = upload.bytes[Symbol.asyncIterator]();
  let size = 0;
  try {
    for (;;) {
      const next = await watch.next(source);
      if (next.done === true) break;
      size += next.value.length;
      requireRoom(size, ports.maxBytes);
      await Promise.all([hashing.update(next.value), file.append(next.value), cover(size)]);
    }
    if (upload.length !== undefined && upload.length !== size) {
      throw invalid("header.content-length", `must be the length of the body, which has ${size} bytes`);
    }
    await file.seal();
    return { size, digests: await hashing.finish() };
  } catch (error) {
    hashing.abandon();
    throw error;
  }
}

/** `payload-too-large` when an upload of this size may not be. */
export function requireRoom(size: number, maxBytes: number): void {
  if (size <= maxBytes) return;
  throw new CisternError("payload-too-large", `an upload may have at most ${maxBytes} bytes`, {
    fields: [{ field: "body", rule: `must be at most ${maxBytes} bytes` }],
  });
}

/** Waits for the next chunk, but not for ever. One timer for the whole upload, whatever its number of chunks. */
class StallWatch implements Disposable {
  readonly #clock: Clock;
  readonly #stallMs: number;
  readonly #signal: AbortSignal;
  readonly #over = new AbortController();
  readonly #onAbort = () => this.#fail?.(this.#signal.reason);
  #last: number;
  #fail: ((reason: unknown) => void) | undefined;

  constructor(clock: Clock, stallMs: number, signal: AbortSignal) {
    this.#clock = clock;
    this.#stallMs = stallMs;
    this.#signal = signal;
    this.#last = clock.monotonic();
    signal.addEventListener("abort", this.#onAbort);
    void this.#watch();
  }

  next(source: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    this.#signal.throwIfAborted();
    this.#last = this.#clock.monotonic();
    return new Promise<IteratorResult<Uint8Array>>((resolve, reject) => {
      this.#fail = reject;
      source.next().then(resolve, reject);
    }).finally(() => {
      this.#fail = undefined;
    });
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#over.abort();
  }

  async #watch(): Promise<void> {
    let wait = this.#stallMs;
    while (!this.#over.signal.aborted) {
      try {
        await this.#clock.sleep(wait, this.#over.signal);
      } catch {
        return; // the upload is over
      }
      const idle = this.#clock.monotonic() - this.#last;
      if (this.#fail !== undefined && idle >= this.#stallMs) {
        this.#fail(new CisternError("request-timeout", `no byte came for ${Math.round(this.#stallMs / 1000)} s`));
      }
      // What runs here (a slow disk) is not the client's silence.
      wait = this.#fail === undefined ? this.#stallMs : Math.max(1, this.#stallMs - idle);
    }
  }
}
