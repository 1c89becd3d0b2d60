import { z } from "zod";
import type { AuditCursor, ListedAuditRecord } from "../domain/audit-catalog.ts";
import { invalid } from "../domain/errors.ts";
import { parsed, shaped, shownTime } from "./wire-fields.ts";

/** A state before or after: any JSON; null where there was none. */
const state = () => shaped({});

export const auditShape = z
  .object({
    id: z.int(),
    at: shownTime,
    kind: z.enum(["change", "egress"]),
    /** A token's id, `anonymous`, `local` (a command on the server's machine) or `system`. */
    actor: z.string(),
    actor_name: z.string().nullable(),
    project: z.string(),
    roles: z.array(z.string()),
    /** A change's: where its request came from. An egress's: what was connected to. */
    address: z.string(),
    action: z.string(),
    object: z.string(),
    before: state(),
    after: state(),
  })
  .meta({ id: "AuditEntry" });

export function auditView(entry: ListedAuditRecord) {
  const { id, at, kind, actor, actorName, project, roles, address, action, object, before, after } = entry;
  return {
    id,
    at: at.toISOString(),
    kind,
    actor,
    actor_name: actorName ?? null,
    project,
    roles,
    address,
    action,
    object,
    before: before ?? null,
    after: after ?? null,
  };
}

const CURSOR = /^(\d{1,15})-(\d{1,15})$/;

/** The time in milliseconds and the number of the last entry of a page. */
export function auditCursor(): z.ZodType<AuditCursor, unknown> {
  return parsed({ type: "string", pattern: CURSOR.source }, (value, field) => {
    const match = typeof value === "string" ? CURSOR.exec(value) : null;
    const at = new Date(Number(match?.[1] ?? Number.NaN));
    if (match === null || Number.isNaN(at.getTime()) || at.getUTCFullYear() > 9999) {
      throw invalid(field, "must be what `next` of a page says");
    }
    return { at, id: Number(match[2]) };
  });
}

export function cursorText({ at, id }: AuditCursor): string {
  return `${at.getTime()}-${id}`;
}
