import type { AuditRecord } from "./audit-catalog.ts";
import type { ErrorCode } from "./errors.ts";

/** What happens, told once per business event. No event carries a secret: URLs are masked by the teller. */
export type CisternEvent =
  | { readonly kind: "fill-started"; readonly fill: string; readonly url: string; readonly resumedAt: number }
  | {
      readonly kind: "fill-source-failed";
      readonly fill: string;
      readonly url: string;
      readonly at: number;
      readonly code: ErrorCode;
      readonly cause?: unknown;
    }
  | {
      readonly kind: "fill-passed";
      readonly fill: string;
      readonly bytes: number;
      readonly milliseconds: number;
      readonly sha256: string;
      readonly kept: boolean;
    }
  | {
      readonly kind: "fill-failed";
      readonly fill: string;
      readonly at: number;
      readonly code: ErrorCode;
      readonly cause?: unknown;
    }
  | { readonly kind: "content-changed"; readonly url: string; readonly recorded: string; readonly found: string }
  | { readonly kind: "content-admitted"; readonly sha256: string; readonly bytes: number }
  | {
      readonly kind: "content-removed";
      readonly sha256: string;
      readonly reason: "unreferenced" | "evicted" | "unrecorded" | "purged";
    }
  /** Stored bytes are not what was admitted: they are served no more. */
  | {
      readonly kind: "content-damaged";
      readonly sha256: string;
      readonly where: "store" | "hot";
      readonly found: "damaged" | "missing";
    }
  /** Damaged content has been made whole again, or could not be. */
  | { readonly kind: "content-healed"; readonly sha256: string; readonly from: "hot" | "store" | "origin" | "nothing" }
  /** None of its locations delivers the content any more, or one does again. */
  | { readonly kind: "content-irreplaceable"; readonly sha256: string; readonly irreplaceable: boolean }
  | { readonly kind: "content-not-healed"; readonly sha256: string; readonly internal: boolean }
  | {
      readonly kind: "blob-served";
      readonly blob: string;
      readonly token: string;
      readonly address: string;
      readonly outcome: string;
      readonly status: number;
      readonly bytes: number;
      readonly complete: boolean;
      readonly milliseconds: number;
    }
  | {
      readonly kind: "reader-cut";
      readonly blob: string;
      readonly address: string;
      readonly reason: "stalled" | "unverified" | "withdrawn";
      readonly cause?: unknown;
    }
  | { readonly kind: "fill-relayed"; readonly fill: string; readonly holder: string; readonly from: number }
  | {
      readonly kind: "degraded";
      readonly part: "catalog" | "store" | "spool" | "hot" | "policy";
      readonly cause: unknown;
    }
  | { readonly kind: "policy-in-force"; readonly version: number }
  | { readonly kind: "tls-reloaded"; readonly notAfter: string }
  | { readonly kind: "tls-reload-failed"; readonly cause: unknown }
  | { readonly kind: "request-failed"; readonly cause: unknown }
  /** A change whose entry the audit has not got: this line is the entry until it has. */
  | { readonly kind: "audit-unwritten"; readonly entry: AuditRecord; readonly cause: unknown }
  /** The catalog was away for so long that there was no room for these. */
  | { readonly kind: "audit-dropped"; readonly entries: number }
  | { readonly kind: "job-failed"; readonly job: string; readonly cause: unknown };

export interface Events {
  emit(event: CisternEvent): void;
}
