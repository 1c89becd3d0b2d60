import type { ByteRange } from "../domain/byte-range.ts";
import type { ContentRecord } from "../domain/content.ts";
import type { ContentStore, StoredObject } from "../domain/content-store.ts";
import { CisternError } from "../domain/errors.ts";
import type { HotTier } from "../domain/hot-tier.ts";
import { BLOCK, type Block, type BlockCache, type SmallBlock } from "./block-cache.ts";
import type { BlobBody, Piece } from "./body.ts";
import { NEVER_POOLED, type ReadBudget } from "./read-budget.ts";

/** Content of which one buffer, that no pool has, holds everything. */
const SMALL_CONTENT = NEVER_POOLED;
/** Readers that take less than this at a time read for themselves: a block is too much to hold for them. */
const SHARED_FROM = 256 * 1024;

/** The bytes of admitted content: from memory where they are, else from the store. */
export class StoredBody implements BlobBody {
  readonly #content: ContentRecord;
  readonly #name: string;
  readonly #open: () => Promise<StoredObject>;
  readonly #blocks: BlockCache;
  readonly #budget: ReadBudget;
  readonly #end: number;
  #position: number;
  #object: StoredObject | undefined;
  #reads = 0;
  #closed = false;

  private constructor(content: ContentRecord, range: ByteRange, open: () => Promise<StoredObject>, ports: StoredPorts) {
    this.#content = content;
    this.#name = nameOf(content);
    this.#position = range.start;
    this.#end = range.end;
    this.#open = open;
    this.#blocks = ports.blocks;
    this.#budget = ports.budget;
  }

  /** The body without a promise, when its first block is in memory. */
  static warm(content: ContentRecord, range: ByteRange, ports: StoredPorts): StoredBody | undefined {
    const index = Math.floor(range.start / BLOCK);
    // What reaches beyond the block needs the object: opened now, eviction does not take it away.
    if (range.end > (index + 1) * BLOCK || !ports.blocks.has(nameOf(content), index)) return undefined;
    return new StoredBody(content, range, () => openOrFail(content, ports), ports);
  }

  /** undefined: the object is certainly not there, or damaged. */
  static async open(content: ContentRecord, range: ByteRange, ports: StoredPorts): Promise<StoredBody | undefined> {
    const object = await ports.store.open(content.object, content.size);
    if (object === undefined) return undefined;
    const body = new StoredBody(content, range, () => Promise.resolve(object), ports);
    body.#object = object;
    return body;
  }

  async next(max: number): Promise<Piece | undefined> {
    if (this.#closed || this.#position >= this.#end) return undefined;
    const index = Math.floor(this.#position / BLOCK);
    const within = this.#position - index * BLOCK;
    const wanted = Math.min(max, this.#end - this.#position, BLOCK - within);
    // When readers hold too much already, what this one gets is small, and holds no block.
    const want = this.#budget.grant(wanted);
    if (want < wanted && this.#object !== undefined) return this.#readAlone(want);
    const warm = this.#blocks.peek(this.#name, index);
    if (warm !== undefined) return this.#slice(warm, within, want);
    const small = want < SHARED_FROM && this.#content.size > SHARED_FROM;
    return small ? this.#readAlone(want) : this.#readShared(index, within, want);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#closeObject();
  }

  async #readShared(index: number, within: number, want: number): Promise<Piece> {
    const length = Math.min(BLOCK, this.#content.size - index * BLOCK);
    const block = await this.#blocks.get(this.#name, index, length, (into, offset) => this.#read(into, offset));
    return this.#slice(block, within, want);
  }

  #slice(block: Block, within: number, want: number): Piece {
    const bytes = this.#budget.grant(want);
    this.#budget.hold(bytes);
    this.#position += bytes;
    return {
      chunks: [block.bytes.subarray(within, within + bytes)],
      bytes,
      release: () => {
        this.#budget.give(bytes);
        block.release();
      },
    };
  }

  async #readAlone(want: number): Promise<Piece> {
    const bytes = this.#budget.grant(want);
    const buffer = this.#budget.take(bytes);
    this.#budget.hold(bytes);
    try {
      const read = await this.#read(buffer.subarray(0, bytes), this.#position);
      if (read !== bytes) throw new CisternError("store-unavailable", "stored content is shorter than recorded");
    } catch (error) {
      this.#budget.give(bytes);
      throw error;
    }
    this.#position += bytes;
    return {
      chunks: [buffer.subarray(0, bytes)],
      bytes,
      release: () => {
        this.#budget.give(bytes);
        this.#budget.recycle(buffer);
      },
    };
  }

  async #read(into: Buffer, offset: number): Promise<number> {
    this.#reads += 1;
    try {
      this.#object ??= await this.#open();
      return await this.#object.read(into, offset);
    } finally {
      this.#reads -= 1;
      if (this.#closed) this.#closeObject();
    }
  }

  /** A read that is under way for others as well keeps the object open until it is done. */
  #closeObject(): void {
    if (this.#reads > 0 || this.#object === undefined) return;
    const object = this.#object;
    this.#object = undefined;
    void object[Symbol.asyncDispose]();
  }
}

/** Small content that is in memory, without a promise: no body is made for it. */
export function takeSmall(content: ContentRecord, blocks: BlockCache): SmallBlock | undefined {
  return content.size > SMALL_CONTENT ? undefined : blocks.small(nameOf(content));
}

export interface StoredPorts {
  readonly store: Pick<ContentStore, "open">;
  /** Local files in front of the store; undefined: the store is local itself. */
  readonly hot: HotTier | undefined;
  readonly blocks: BlockCache;
  readonly budget: ReadBudget;
}

const names = new WeakMap<ContentRecord, string>();

function nameOf(content: ContentRecord): string {
  const known = names.get(content);
  if (known !== undefined) return known;
  const name = `${content.object.sha256}/${content.object.fence}`;
  names.set(content, name);
  return name;
}

async function openOrFail(content: ContentRecord, { hot, store }: StoredPorts): Promise<StoredObject> {
  const near = await hot?.open(content.object, content.size);
  const object = near ?? (await store.open(content.object, content.size));
  if (object === undefined) throw new CisternError("store-unavailable", "stored content is missing");
  return object;
}
