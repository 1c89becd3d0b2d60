import type { Principal } from "./principal.ts";

/** A change that somebody made, as the audit keeps it: nothing in it is secret. */
export interface AuditEntry {
  readonly principal: Principal;
  /** What was done: `noun.verb`, as `policy.replace`. */
  readonly action: string;
  /** To what: its path below `/v1` or `/artifacts`, as `policies/7`. */
  readonly object: string;
  /** As views show it; absent: it was not there before. */
  readonly before?: unknown;
  /** As views show it; absent: it is not there any more. */
  readonly after?: unknown;
}

/** The append-only trail of changes. */
export interface AuditTrail {
  /** Notes a change that is committed. Durable when it resolves; `catalog-unavailable`. */
  record(entry: AuditEntry): Promise<void>;
}
