import type { AuditCatalog, AuditCursor, AuditFilter, ListedAuditRecord } from "../domain/audit-catalog.ts";
import { CisternError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { seesAll } from "./access.ts";

export interface ReadAuditPorts {
  readonly auditRows: AuditCatalog;
}

export interface AuditPage {
  readonly entries: readonly ListedAuditRecord[];
  /** Where the next page begins; undefined: there is none. */
  readonly next: AuditCursor | undefined;
}

/** Entries of one query: what is in memory at once stays small, whatever states they carry. */
const STEP = 50;
/** A page with more text than this ends early. */
const MAX_PAGE_CHARACTERS = 4 * 1024 * 1024;

/** One page, the newest first; the admin's and the auditor's. */
export async function listAudit(
  ports: ReadAuditPorts,
  principal: Principal,
  filter: AuditFilter,
  after: AuditCursor | undefined,
  limit: number,
): Promise<AuditPage> {
  requireAuditor(principal);
  const entries: ListedAuditRecord[] = [];
  let characters = 0;
  for (let cursor = after; entries.length < limit && characters < MAX_PAGE_CHARACTERS; cursor = entries.at(-1)) {
    const wanted = Math.min(STEP, limit - entries.length);
    const found = await ports.auditRows.list(filter, cursor, wanted);
    entries.push(...found);
    if (found.length < wanted) return { entries, next: undefined };
    for (const { before, after: state } of found) characters += JSON.stringify([before, state]).length;
  }
  const last = entries.at(-1);
  return { entries, next: last === undefined ? undefined : { at: last.at, id: last.id } };
}

/**
 * All entries that match, the newest first, in steps: each is read when the one before was taken. What is
 * written meanwhile is not among them. The admin's and the auditor's.
 */
export function exportAudit(
  ports: ReadAuditPorts,
  principal: Principal,
  filter: AuditFilter,
): AsyncIterable<readonly ListedAuditRecord[]> {
  requireAuditor(principal);
  return steps(ports, filter);
}

async function* steps(
  { auditRows }: ReadAuditPorts,
  filter: AuditFilter,
): AsyncGenerator<readonly ListedAuditRecord[], void> {
  for (let cursor: AuditCursor | undefined; ; ) {
    const found = await auditRows.list(filter, cursor, STEP);
    if (found.length > 0) yield found;
    if (found.length < STEP) return;
    cursor = found.at(-1);
  }
}

function requireAuditor(principal: Principal): void {
  if (!seesAll(principal)) throw new CisternError("forbidden", "this needs the role admin or auditor");
}
