import type { StoredObject } from "../domain/content-store.ts";
import type { Digests, Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import type { Hashing } from "../domain/hasher.ts";

const PIECE = 1024 * 1024;

/**
 * The digests of an object's bytes, which are read once, in order. `store-unavailable` when it gives
 * fewer than it has.
 *
 * @param onPiece told each MiB, and what is left at the end; the bytes are its own only until it returns
 */
export async function digestObject(
  object: StoredObject,
  hashing: Hashing,
  onPiece: (piece: Uint8Array) => void,
  signal: AbortSignal,
): Promise<Digests & { readonly sha256: Sha256 }> {
  const buffer = Buffer.allocUnsafe(PIECE);
  try {
    for (let offset = 0; offset < object.size; ) {
      signal.throwIfAborted();
      const piece = buffer.subarray(0, Math.min(PIECE, object.size - offset));
      if ((await object.read(piece, offset)) !== piece.length) {
        throw new CisternError("store-unavailable", "stored content is shorter than it was");
      }
      onPiece(piece);
      const wait = hashing.update(piece);
      if (wait !== undefined) await wait;
      offset += piece.length;
    }
    return await hashing.finish();
  } catch (error) {
    hashing.abandon();
    throw error;
  }
}
