import type { Algorithm } from "../../domain/digest.ts";

/** What a worker is started with. */
export interface LaneSetup {
  readonly algorithm: Algorithm;
  /** All slots, one behind the other. */
  readonly slots: SharedArrayBuffer;
  readonly slotBytes: number;
  /** One Int32 per slot: how many workers have yet to read it. */
  readonly readers: SharedArrayBuffer;
}

export type LaneRequest =
  | { readonly kind: "update"; readonly stream: number; readonly slot: number; readonly length: number }
  /** Answered by `LaneDigest`; the stream goes on. */
  | { readonly kind: "prefix"; readonly stream: number; readonly ask: number }
  /** Answered by `LaneDigest`; ends the stream. */
  | { readonly kind: "finish"; readonly stream: number; readonly ask: number }
  | { readonly kind: "forget"; readonly stream: number };

export interface LaneDigest {
  readonly ask: number;
  readonly digest: string;
}

/** A number is a slot whose last reader is done. */
export type LaneReply = number | LaneDigest;
