import { LRUCache } from "lru-cache";
import type { ObjectName } from "../domain/content.ts";
import { CisternError } from "../domain/errors.ts";
import type { ReadBudget } from "./read-budget.ts";

/** Bytes of one block of admitted content. */
export const BLOCK = 1024 * 1024;

/** A block that is in use: its bytes stay until every user has released it. */
export interface Block {
  readonly bytes: Buffer;
  release(): void;
}

/** Content that is one block which is never recycled: who has it may keep it. */
export interface SmallBlock {
  readonly bytes: Buffer;
  /** The bytes as latin1, which leave in one piece with the head of an answer; undefined: too many for that. */
  readonly text: string | undefined;
}

/**
 * Up to here a body as text costs less than as bytes; beyond, gluing it to the head costs more.
 */
const TEXT_BYTES = 8 * 1024;

interface Slot {
  readonly buffer: Buffer;
  length: number;
  users: number;
  listed: boolean;
  ready: Promise<void> | undefined;
  small: SmallBlock | undefined;
}

/**
 * Recently read blocks of admitted content, shared by all readers: a herd on a hot image reads each
 * block from the disk once. Content is immutable under its name (I10), so nothing ever grows stale.
 */
export class BlockCache {
  readonly #slots: LRUCache<string, Slot>;
  readonly #budget: ReadBudget;

  /** @param bytes that may be kept while nobody uses them */
  constructor(bytes: number, budget: ReadBudget) {
    this.#budget = budget;
    this.#slots = new LRUCache<string, Slot>({
      maxSize: bytes,
      sizeCalculation: ({ buffer }) => (buffer.length <= TEXT_BYTES ? 2 * buffer.length : buffer.length),
      dispose: (slot) => {
        slot.listed = false;
        if (slot.users === 0) this.#budget.recycle(slot.buffer);
      },
    });
  }

  /** True when the block can be had without a read. */
  has(object: string, index: number): boolean {
    const slot = this.#slots.peek(`${object}#${index}`);
    return slot !== undefined && slot.ready === undefined;
  }

  /** The block if it is there: no promise. */
  peek(object: string, index: number): Block | undefined {
    const slot = this.#slots.get(`${object}#${index}`);
    return slot === undefined || slot.ready !== undefined ? undefined : use(slot, this.#budget);
  }

  /** The only block of an object of at most `NEVER_POOLED` bytes, if it is there: nothing to release. */
  small(object: string): SmallBlock | undefined {
    const slot = this.#slots.get(`${object}#0`);
    if (slot === undefined || slot.ready !== undefined) return undefined;
    slot.small ??= smallOf(slot.buffer);
    return slot.small;
  }

  /** Forgets an object that was found damaged; whoever holds a block of it goes on with that. */
  drop({ sha256, fence }: ObjectName): void {
    const prefix = `${sha256}/${fence}#`;
    for (const key of this.#slots.keys()) if (key.startsWith(prefix)) this.#slots.delete(key);
  }

  /**
   * The block, read once for all who ask meanwhile.
   * @param length bytes that the block has (the last one of a content is shorter)
   */
  async get(
    object: string,
    index: number,
    length: number,
    read: (into: Buffer, offset: number) => Promise<number>,
  ): Promise<Block> {
    const key = `${object}#${index}`;
    const known = this.#slots.get(key);
    const slot = known ?? this.#fill(key, index, length, read);
    slot.users += 1;
    try {
      await slot.ready;
    } catch (error) {
      slot.users -= 1;
      throw error;
    }
    slot.users -= 1;
    return use(slot, this.#budget);
  }

  #fill(key: string, index: number, length: number, read: (into: Buffer, offset: number) => Promise<number>): Slot {
    const buffer = this.#budget.take(length);
    const slot: Slot = { buffer, length, users: 0, listed: true, ready: undefined, small: undefined };
    slot.ready = this.#read(key, slot, index, read);
    this.#slots.set(key, slot);
    return slot;
  }

  async #read(
    key: string,
    slot: Slot,
    index: number,
    read: (into: Buffer, offset: number) => Promise<number>,
  ): Promise<void> {
    try {
      const got = await read(slot.buffer.subarray(0, slot.length), index * BLOCK);
      if (got !== slot.length) throw new CisternError("store-unavailable", "stored content is shorter than recorded");
      slot.ready = undefined;
    } catch (error) {
      if (this.#slots.peek(key) === slot) this.#slots.delete(key);
      throw error;
    }
  }
}

function smallOf(bytes: Buffer): SmallBlock {
  return { bytes, text: bytes.length <= TEXT_BYTES ? bytes.toString("latin1") : undefined };
}

function use(slot: Slot, budget: ReadBudget): Block {
  slot.users += 1;
  let released = false;
  return {
    bytes: slot.buffer.length === slot.length ? slot.buffer : slot.buffer.subarray(0, slot.length),
    release: () => {
      if (released) return;
      released = true;
      slot.users -= 1;
      if (slot.users === 0 && !slot.listed) budget.recycle(slot.buffer);
    },
  };
}
