import { z } from "zod";
import { listQuotas, type QuotaPorts, setQuotas, showQuota } from "../../artifact/quotas.ts";
import type { ListedQuota } from "../../domain/quotas.ts";
import { Api, type ApiPorts } from "../api.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { requireTag } from "../entity-tag.ts";
import {
  allQuotasShape,
  allQuotasView,
  projectQuotaShape,
  quotaChanges,
  quotasBody,
  quotasTag,
  shownQuotaView,
} from "../quota-view.ts";
import { text } from "../wire-fields.ts";

export interface QuotaRoutePorts extends QuotaPorts, ApiPorts {}

const tags = ["quotas"];
/** No project's: what holds where nothing is set. */
const ANY = "";

/** `/quotas` and `/project-quotas`, as Glare has them, with the limits that Cistern has. */
export function quotaRoutes(ports: QuotaRoutePorts): DescribedRoutes {
  const list = {
    summary: "Lists the quotas that are set for projects, and what holds for all others",
    etag: true,
    tags,
    roles: ["admin", "auditor"],
    responses: { 200: allQuotasShape },
  } as const;
  const put = {
    summary: "Sets quotas of projects, all or none; what is not named stays, null is as for all others again",
    description: "If-Match: * sets them whatever others have set meanwhile.",
    tags,
    roles: ["admin"],
    ifMatch: "required",
    body: quotasBody,
    responses: { 200: allQuotasShape },
  } as const;
  const own = {
    summary: "Shows the quotas of one's own project, and what it has used today",
    tags,
    roles: ["admin", "auditor", "member", "reader"],
    responses: { 200: z.array(projectQuotaShape) },
  } as const;
  const one = {
    summary: "Shows the quotas of a project, and what it has used today",
    tags,
    roles: ["admin", "auditor", "member", "reader"],
    params: { project: text({ min: 1, max: 255 }) },
    responses: { 200: z.array(projectQuotaShape) },
  } as const;
  const all = (quotas: readonly ListedQuota[]) => ({
    status: 200 as const,
    headers: { ETag: quotasTag(quotas) },
    body: allQuotasView(quotas, ports.quotaDefaults(ANY)),
  });
  return new Api(ports, "openstack")
    .get("/quotas", list, async ({ principal }) => all(await listQuotas(ports, principal)))
    .put("/quotas", put, async ({ principal, body, ifMatch }) => {
      const requireSeen = (known: readonly ListedQuota[]) => requireTag(ifMatch, quotasTag(known));
      return all(await setQuotas(ports, principal, quotaChanges(body), requireSeen));
    })
    .get("/project-quotas", own, async ({ principal }) => ({
      status: 200,
      body: [shownQuotaView(await showQuota(ports, principal, principal.project))],
    }))
    .get("/project-quotas/:project", one, async ({ principal, params }) => ({
      status: 200,
      body: [shownQuotaView(await showQuota(ports, principal, params.project))],
    })).routes;
}
