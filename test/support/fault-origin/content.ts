import { createCipheriv, createHash } from "node:crypto";
import type { Algorithm } from "../../../src/domain/digest.ts";

/** Bytes that are made up on demand: the same seed and size are the same bytes, on every machine. */
export interface Seeded {
  readonly size: number;
  readonly seed: string | number;
}

export type Content = Buffer | Seeded;

export function sizeOf(content: Content): number {
  return Buffer.isBuffer(content) ? content.length : content.size;
}

/** `length` bytes from `offset` on; fewer at the end. Costs no more memory than it answers. */
export function bytesAt(content: Content, offset: number, length: number): Buffer {
  const end = Math.min(sizeOf(content), offset + length);
  if (end <= offset) return Buffer.alloc(0);
  if (Buffer.isBuffer(content)) return content.subarray(offset, end);
  const key = createHash("sha256").update(`cistern ${content.seed}`).digest();
  // A stream cipher is seekable and cannot be compressed: the counter starts at the block of `offset`.
  const counter = Buffer.alloc(16);
  counter.writeBigUInt64BE(BigInt(Math.floor(offset / 16)), 8);
  const skip = offset % 16;
  return createCipheriv("aes-256-ctr", key, counter)
    .update(Buffer.alloc(skip + end - offset))
    .subarray(skip);
}

/** The hexadecimal digest of the whole content, computed piece by piece. */
export function digestOf(content: Content, algorithm: Algorithm = "sha256"): string {
  const hash = createHash(algorithm);
  for (let offset = 0; offset < sizeOf(content); offset += 1 << 20) hash.update(bytesAt(content, offset, 1 << 20));
  return hash.digest("hex");
}
