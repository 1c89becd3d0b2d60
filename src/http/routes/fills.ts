import { z } from "zod";
import { type AskFillPorts, askFill } from "../../artifact/ask-fill.ts";
import { cancelFill, type FillPorts, findFill, listFills } from "../../artifact/fills.ts";
import { invalid } from "../../domain/errors.ts";
import { FILL_KINDS, FILL_STATES, type FillId } from "../../domain/fill-entry.ts";
import { Api, type ApiPorts } from "../api.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { fillBody, fillRequest } from "../fill-body.ts";
import { fillShape, fillView } from "../fill-view.ts";
import { nextPage, pageOf, pageQuery } from "../pages.ts";
import { flag, originName, parsed, text } from "../wire-fields.ts";

export interface FillRoutePorts extends AskFillPorts, FillPorts, ApiPorts {}

const FILL_ID = /^[0-9A-Za-z-]{1,64}$/;
const fillId = parsed({ type: "string", pattern: FILL_ID.source }, (value, field): FillId => {
  if (typeof value === "string" && FILL_ID.test(value)) return value as FillId;
  throw invalid(field, "must be the id of a fill");
});
const tags = ["fills"];
const name = () => text({ min: 1, max: 255 }).optional();

/** `/v1/fills`: what is fetched, waits to be, or failed; asking for it ahead; cancelling. */
export function fillRoutes(ports: FillRoutePorts): DescribedRoutes {
  const ask = {
    summary: "Asks for bytes to be fetched before anybody reads them",
    description:
      "Of an artifact, of all active artifacts that a query finds, or of what is registered under a URL. 201 when it is queued, 200 with the one that waits or runs already. Readers do not wait for the queue: what they ask for is fetched at once.",
    tags,
    roles: ["admin", "member"],
    body: fillBody,
    creates: true,
    responses: { 200: fillShape, 201: fillShape },
    errors: ["artifact-not-found", "blob-not-found", "conflict", "forbidden"],
  } as const;
  const list = {
    summary: "Lists fetches: those for readers first, then the queue, newest first; a member's own project's",
    tags,
    roles: ["admin", "auditor", "member"],
    query: z.strictObject({
      ...pageQuery,
      state: z.enum(FILL_STATES).optional(),
      kind: z.enum(FILL_KINDS).optional(),
      project: name(),
      origin: originName().optional(),
      artifact: name(),
      replica: name(),
      parent: fillId.optional(),
    }),
    responses: { 200: pageOf("fills", fillShape) },
  } as const;
  const show = {
    summary: "Shows a fetch, and how far it is",
    tags,
    roles: ["admin", "auditor", "member"],
    params: { id: fillId },
    responses: { 200: fillShape },
    notFound: "fill-not-found",
    errors: ["fill-not-found"],
  } as const;
  const cancel = {
    summary: "Cancels a fetch: at once while it waits, within seconds while it runs",
    description:
      "A fetch that somebody reads goes on for its readers; an admin may cut them with force. 202: its replica has been told. What has ended stays as it is.",
    tags,
    roles: ["admin", "member"],
    params: { id: fillId },
    query: z.strictObject({ force: flag().default(false) }),
    responses: { 200: fillShape, 202: fillShape },
    notFound: "fill-not-found",
    errors: ["fill-not-found", "conflict"],
  } as const;
  return new Api(ports)
    .post("/v1/fills", ask, async ({ principal, body }) => {
      const { fill, fresh } = await askFill(ports, principal, fillRequest(body));
      const view = fillView(await findFill(ports, principal, fill.id));
      if (!fresh) return { status: 200, body: view };
      return { status: 201, headers: { Location: `${ports.publicUrl ?? ""}/v1/fills/${fill.id}` }, body: view };
    })
    .get("/v1/fills", list, async ({ context, principal, query }) => {
      const { limit, after, state, kind, project, origin, artifact, replica, parent } = query;
      const filters = {
        ...(after === undefined ? {} : { after }),
        ...(kind === undefined ? {} : { kind }),
        ...(project === undefined ? {} : { project }),
        ...(origin === undefined ? {} : { origin }),
        ...(artifact === undefined ? {} : { artifact }),
        ...(replica === undefined ? {} : { replica }),
        ...(parent === undefined ? {} : { parent }),
      };
      const states = state === undefined ? [] : [state];
      const page = await listFills(ports, principal, { limit, states, ...filters });
      return { status: 200, body: { fills: page.fills.map(fillView), next: nextPage(context, page.next) } };
    })
    .get("/v1/fills/:id", show, async ({ principal, params }) => ({
      status: 200,
      body: fillView(await findFill(ports, principal, params.id)),
    }))
    .delete("/v1/fills/:id", cancel, async ({ principal, params, query }) => {
      const view = fillView(await cancelFill(ports, principal, params.id, query.force));
      return view.cancelling ? { status: 202, body: view } : { status: 200, body: view };
    }).routes;
}
