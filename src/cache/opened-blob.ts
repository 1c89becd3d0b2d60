import type { BlobRef, ResolvedBlob } from "../domain/blob.ts";
import type { ByteRange, RangeRequest } from "../domain/byte-range.ts";
import type { Digests } from "../domain/digest.ts";
import type { Conditionals, Validators } from "../domain/precondition.ts";
import type { Principal } from "../domain/principal.ts";
import type { SmallBlock } from "./block-cache.ts";
import type { ServedBody } from "./open-readers.ts";

export interface BlobRequest {
  readonly ref: BlobRef;
  /** The type in the path: an artifact of another type is not found under it. */
  readonly type: string;
  readonly principal: Principal;
  /** The client's address. */
  readonly address: string;
  readonly head: boolean;
  readonly range: RangeRequest;
  readonly conditionals: Conditionals;
  /** Its client would send the token on to whatever host a redirect names. */
  readonly sendsTokenOn: boolean;
  /** False: the client cannot take chunks, so that a body of unknown length waits for the verdict. */
  readonly takesChunks: boolean;
}

export type Outcome = "hit" | "follow" | "fill";

/** What the record tells of a blob, whatever becomes of the request. */
export interface BlobFacts {
  readonly resolved: ResolvedBlob;
  readonly digests: Digests;
  readonly validators: Validators;
}

export type OpenedBlob =
  | { readonly kind: "not-modified"; readonly facts: BlobFacts }
  | { readonly kind: "redirect"; readonly facts: BlobFacts; readonly url: string }
  | { readonly kind: "head"; readonly facts: BlobFacts; readonly outcome: Outcome; readonly size: number | undefined }
  | OpenedBody;

export interface OpenedBody {
  readonly kind: "body";
  readonly facts: BlobFacts;
  readonly outcome: Outcome;
  /** Bytes of the whole; undefined while nobody knows. */
  readonly size: number | undefined;
  /** The bytes that are sent; undefined: the whole, of unknown size. */
  readonly range: ByteRange | undefined;
  readonly partial: boolean;
  /** True when every byte has passed already: the body cannot turn out wrong. */
  readonly verified: boolean;
  readonly body: ServedBody;
}

/** A hit whose bytes are at hand. */
export interface SmallHit {
  readonly kind: "small";
  readonly facts: BlobFacts;
  readonly outcome: "hit";
  /** Bytes of the whole. */
  readonly size: number;
  readonly range: ByteRange;
  readonly partial: boolean;
  /** The whole, whatever the range. */
  readonly block: SmallBlock;
}
