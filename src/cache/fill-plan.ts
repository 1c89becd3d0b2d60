import type { BlobId, BlobRef } from "../domain/blob.ts";
import type { ContentRecord } from "../domain/content.ts";
import type { Digests, Sha256 } from "../domain/digest.ts";
import type { ExternalLocation } from "../domain/location.ts";
import type { ContentRules } from "../domain/policy/content-rules.ts";
import type { Validator } from "../domain/source.ts";

/** What a fill is to fetch, and what the bytes must be. */
export interface FillPlan {
  /** Names the run: lease and spool go by it. */
  readonly key: string;
  /** Names the content and its trust domain: back-off goes by it. */
  readonly domain: string;
  /** On whose account it is fetched; undefined: nobody's, it comes from the store. */
  readonly project: string | undefined;
  /** In the order in which they are tried. */
  readonly sources: readonly ExternalLocation[];
  /** Recorded digests. */
  readonly digests: Digests;
  /** Recorded size in bytes. */
  readonly size: number | undefined;
  /** False: verified and handed on, not kept (mode `proxy`), unless somebody joins who has it kept. */
  readonly keep: boolean;
  /** The content rules that hold for it, each field with the name of its rule; undefined: it comes from the store. */
  readonly rules?: ContentRules;
  readonly permits?: FillPermits;
  /** Set: the store has this content, and the fill brings it into the hot tier. */
  readonly content?: ContentRecord;
  /** Set: this content is admitted, but the store does not deliver it now: its bytes are fetched around it. */
  readonly around?: ContentRecord;
  /** md5 and sha512 are computed besides, for what OpenStack's clients verify. */
  readonly image: boolean;
}

/** What the policy says while a fill goes on. Both throw `policy-denied`. */
export interface FillPermits {
  /** As many bytes as are announced, or have come. */
  size(bytes: number): void;
  /** The URL that a redirect leads to. */
  hop(url: string): void;
}

/** A record that a fill serves, with what decides who else may join on its account (I6). */
export interface FillRecord {
  readonly blob: BlobId;
  readonly ref: BlobRef;
  readonly owner: string;
  /** Everybody may read it. */
  readonly publicly: boolean;
  /** Of its artifact. */
  readonly type: string;
  readonly name: string;
}

/** Where spooled bytes come from, and what tells that it still has the same. */
export interface SpooledFrom {
  /** Secrets included. */
  readonly url: string;
  readonly validator: Validator | undefined;
}

export interface Verdict {
  readonly digests: Digests & { readonly sha256: Sha256 };
  /** Bytes. */
  readonly size: number;
}
