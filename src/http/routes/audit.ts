import { z } from "zod";
import { exportAudit, listAudit, type ReadAuditPorts } from "../../artifact/read-audit.ts";
import { Api, type ApiPorts } from "../api.ts";
import { auditCursor, auditShape, auditView, cursorText } from "../audit-view.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { ndjson } from "../ndjson.ts";
import { media } from "../operation.ts";
import { nextPage, pageOf, pageQuery } from "../pages.ts";
import { instant, text } from "../wire-fields.ts";

export interface AuditRoutePorts extends ReadAuditPorts, ApiPorts {}

const tags = ["audit"];
const name = (max: number) => text({ min: 1, max }).optional();

/** Each narrows; `action` and `object` may end in `*`. */
const filters = {
  kind: z.enum(["change", "egress"]).optional(),
  action: name(64),
  object: name(4_096),
  actor: name(64),
  project: name(255),
  address: name(64),
  from: instant().optional(),
  to: instant().optional(),
};

/** `/v1/audit`: who changed what, from where; what left, to where. */
export function auditRoutes(ports: AuditRoutePorts): DescribedRoutes {
  const list = {
    summary: "Lists changes and requests that left, the newest first",
    description:
      "Filters narrow together; `action` and `object` may end in `*`. A page with long states may have fewer entries than asked for: `next` tells whether there are more.",
    tags,
    roles: ["admin", "auditor"],
    query: z.strictObject({ ...pageQuery, after: auditCursor().optional(), ...filters }),
    responses: { 200: pageOf("entries", auditShape) },
  } as const;
  const all = {
    summary: "Streams everything that matches, one JSON object a line, the newest first",
    tags,
    roles: ["admin", "auditor"],
    query: z.strictObject(filters),
    responses: { 200: media("application/x-ndjson") },
  } as const;
  return new Api(ports)
    .get("/v1/audit", list, async ({ context, principal, query: { limit, after, ...filter } }) => {
      const page = await listAudit(ports, principal, filter, after, limit);
      const next = nextPage(context, page.next && cursorText(page.next));
      return { status: 200, body: { entries: page.entries.map(auditView), next } };
    })
    .get("/v1/audit/export", all, async ({ principal, query }) => {
      const lines = ndjson(exportAudit(ports, principal, query), auditView);
      const headers = { "Content-Disposition": 'attachment; filename="audit.ndjson"' };
      return { status: 200, headers, body: lines };
    }).routes;
}
