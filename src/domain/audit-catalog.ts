import type { JsonValue } from "./json.ts";

/** `change`: what somebody changed here. `egress`: a request that left. */
export type AuditKind = "change" | "egress";

/** One entry as it is kept. Nothing in it is secret. */
export interface AuditRecord {
  /** A UUID that the writer made: written twice, it is one entry. */
  readonly entry: string;
  /** To the millisecond. */
  readonly at: Date;
  readonly kind: AuditKind;
  /** A token's id, `anonymous`, `local` or `system`. */
  readonly actor: string;
  readonly project: string;
  readonly roles: readonly string[];
  /** A change's: where its request came from. An egress's: what was connected to; empty: nothing was. */
  readonly address: string;
  readonly action: string;
  readonly object: string;
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

/** An entry as it is listed. */
export interface ListedAuditRecord extends AuditRecord {
  /** Orders entries of one millisecond. */
  readonly id: number;
  /** The token's name when the entry was written; undefined: no token. */
  readonly actorName: string | undefined;
}

/** Every filter narrows; `action` and `object` may end in `*`: whatever begins so. */
export interface AuditFilter {
  readonly kind?: AuditKind | undefined;
  readonly action?: string | undefined;
  readonly object?: string | undefined;
  readonly actor?: string | undefined;
  readonly project?: string | undefined;
  readonly address?: string | undefined;
  /** At or after it. */
  readonly from?: Date | undefined;
  /** Before it. */
  readonly to?: Date | undefined;
}

/** The last entry of the page before. */
export interface AuditCursor {
  readonly at: Date;
  readonly id: number;
}

/** The audit's rows: written once, never changed, removed when their time is over. */
export interface AuditCatalog {
  /** All or none; entries that are there already are left as they are. Names of actors are added. */
  append(records: readonly AuditRecord[]): Promise<void>;
  /** The newest first, by a cursor that holds while entries come and go. */
  list(filter: AuditFilter, after: AuditCursor | undefined, limit: number): Promise<readonly ListedAuditRecord[]>;
  /** Removes the oldest entries from before this time, `most` at most; answers how many went. */
  expire(before: Date, most: number): Promise<number>;
}
