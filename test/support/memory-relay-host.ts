import { createHash } from "node:crypto";
import type { Fence } from "../../src/domain/content.ts";
import { sha256 } from "../../src/domain/digest.ts";
import type { RelayedFill, RelayedPiece, RelayHost, RelayVerdict } from "../../src/domain/peer.ts";
import type { Validator } from "../../src/domain/source.ts";

/** A fill in memory that the test drives. */
export class MemoryFill {
  readonly url: string;
  readonly validator: Validator | undefined;
  readonly total: number | undefined;
  bytes = Buffer.alloc(0);
  /** Bytes that readers have and have not released, now and at most. */
  held = 0;
  mostHeld = 0;
  /** Bytes that readers were given. */
  given = 0;
  /** Readers that are there, and that have come. */
  readers = 0;
  came = 0;
  #end: { readonly verdict: RelayVerdict } | { readonly failure: unknown } | undefined;
  #turn = Promise.withResolvers<void>();

  constructor(url: string, validator?: Validator, total?: number) {
    this.url = url;
    this.validator = validator;
    this.total = total;
  }

  append(bytes: Uint8Array): this {
    this.bytes = Buffer.concat([this.bytes, bytes]);
    return this.#wake();
  }

  finish(): this {
    const hex = createHash("sha256").update(this.bytes).digest("hex");
    this.#end = { verdict: { sha256: sha256(hex), size: this.bytes.length } };
    return this.#wake();
  }

  fail(failure: unknown): this {
    this.#end = { failure };
    return this.#wake();
  }

  /** Resolves when it is so; asked anew whenever something happens here. */
  async until(so: (fill: this) => boolean): Promise<void> {
    while (!so(this)) await this.#turn.promise;
  }

  reader(offset: number): RelayedFill {
    let at = offset;
    let left = false;
    this.readers += 1;
    this.came += 1;
    this.#wake();
    const { url, validator, total } = this;
    return {
      url,
      validator,
      total,
      keep: () => undefined,
      next: async (max) => {
        await this.until(() => left || at < this.bytes.length || this.#end !== undefined);
        if (left) throw new Error("disposed");
        const chunk = this.bytes.subarray(at, at + max);
        at += chunk.length;
        if (chunk.length > 0) return this.#piece(chunk);
        if (this.#end !== undefined && "failure" in this.#end) throw this.#end.failure;
        return undefined;
      },
      verdict: () => {
        if (this.#end === undefined || !("verdict" in this.#end)) throw new Error("not at its end");
        return this.#end.verdict;
      },
      [Symbol.dispose]: () => {
        if (left) return;
        left = true;
        this.readers -= 1;
        this.#wake();
      },
    };
  }

  /** In two chunks, as they come from a ring. */
  #piece(chunk: Buffer): RelayedPiece {
    this.held += chunk.length;
    this.given += chunk.length;
    this.mostHeld = Math.max(this.mostHeld, this.held);
    this.#wake();
    const middle = Math.ceil(chunk.length / 2);
    return {
      chunks: [chunk.subarray(0, middle), chunk.subarray(middle)].filter(({ length }) => length > 0),
      bytes: chunk.length,
      release: () => {
        this.held -= chunk.length;
        this.#wake();
      },
    };
  }

  #wake(): this {
    this.#turn.resolve();
    this.#turn = Promise.withResolvers();
    return this;
  }
}

/** The fills of a process, in memory. */
export class MemoryRelayHost implements RelayHost {
  readonly #fills = new Map<string, MemoryFill>();

  begin(key: string, fence: number, fill: MemoryFill): MemoryFill {
    this.#fills.set(`${key} ${fence}`, fill);
    return fill;
  }

  async find(key: string, fence: Fence, offset: number): Promise<RelayedFill | undefined> {
    return this.#fills.get(`${key} ${fence}`)?.reader(offset);
  }
}
