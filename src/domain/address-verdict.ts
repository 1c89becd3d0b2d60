import type { ErrorCode } from "./errors.ts";
import type { ExternalLocation } from "./location.ts";

/** Whether a location may be connected to, and why not. */
export interface AddressVerdict {
  readonly allowed: boolean;
  readonly code: ErrorCode | undefined;
  readonly reason: string | undefined;
  /** What its name leads to now; empty: it was not looked up, or is not found. */
  readonly addresses: readonly { readonly address: string; readonly allowed: boolean }[];
}

/** Judges as a fetch would (I8), and connects to nothing. */
export interface AddressJudge {
  verdict(location: ExternalLocation, signal: AbortSignal): Promise<AddressVerdict>;
}
