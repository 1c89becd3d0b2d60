import { z } from "zod";
import { type TaskPorts, verifyContent } from "../../artifact/content-tasks.ts";
import {
  blockContent,
  type ContentPorts,
  listBlocks,
  listContents,
  pinContent,
  removeContent,
  showBlock,
  showContent,
  unblockContent,
  unpinContent,
} from "../../artifact/contents.ts";
import type { Clock } from "../../domain/clock.ts";
import type { ContentEntry } from "../../domain/content-inventory.ts";
import { invalid } from "../../domain/errors.ts";
import { Api, type ApiPorts } from "../api.ts";
import { cursorText, digestField, filterOf, filterQuery, orderOf, parseCursor, sortField } from "../content-query.ts";
import {
  blockShape,
  blockView,
  contentDetailsShape,
  contentDetailsView,
  contentShape,
  contentView,
  viewTag,
} from "../content-view.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { nextPage, pageOf, pageQuery } from "../pages.ts";
import { taskShape, taskView } from "../task-view.ts";
import { flag, instant, nothing, text } from "../wire-fields.ts";

export interface ContentRoutePorts extends ContentPorts, TaskPorts, ApiPorts {
  readonly clock: Clock;
}

const tags = ["contents"];
const reads = ["admin", "auditor"] as const;
const changes = ["admin"] as const;
const params = { sha256: digestField };
const one = { tags, params, notFound: "content-not-found" } as const;
const reason = text({ min: 1, max: 255 });
const ABSENT = ["content-not-found"] as const;

/** `/v1/contents` and `/v1/blocks`: what is cached, and what becomes of it. */
export function contentRoutes(ports: ContentRoutePorts): DescribedRoutes {
  const api = new Api(ports);
  addReads(api, ports);
  addPins(api, ports);
  addBlocks(api, ports);
  addChanges(api, ports);
  return api.routes;
}

function addReads(api: Api, ports: ContentRoutePorts): void {
  const list = {
    summary: "Lists what is cached and what was uploaded",
    tags,
    roles: reads,
    query: z.strictObject({ ...pageQuery, ...filterQuery, sort: sortField }),
    responses: { 200: pageOf("contents", contentShape) },
  } as const;
  const show = {
    ...one,
    summary: "Shows one content, who refers to it, and where it is",
    roles: reads,
    responses: { 200: contentDetailsShape },
    errors: ABSENT,
  } as const;
  api
    .get("/v1/contents", list, async ({ context, principal, query }) => {
      const { order, descending } = orderOf(query.sort);
      const after = parseCursor(query.after, order);
      const asked = { filter: filterOf(query), order, descending, limit: query.limit, after };
      const page = await listContents(ports, principal, asked);
      const next = nextPage(context, page.next === undefined ? undefined : cursorText(page.next, order));
      return { status: 200, body: { contents: page.contents.map(contentView), next } };
    })
    .get("/v1/contents/:sha256", show, async ({ principal, params }) => {
      const details = await showContent(ports, principal, params.sha256);
      return {
        status: 200,
        headers: { ETag: viewTag(contentView(details.content)) },
        body: contentDetailsView(details),
      };
    });
}

function addPins(api: Api, ports: ContentRoutePorts): void {
  const put = {
    ...one,
    summary: "Pins content: it is not evicted until the pin ends",
    roles: changes,
    body: z.strictObject({ reason, until: instant().nullish() }).meta({ id: "PinRequest" }),
    responses: { 200: contentShape },
    errors: ["content-not-found", "pin-limit"],
  } as const;
  const end = {
    ...one,
    summary: "Ends a pin; none is no error",
    roles: changes,
    responses: { 200: contentShape },
    errors: ABSENT,
  } as const;
  api
    .put("/v1/contents/:sha256/pin", put, async ({ principal, params, body }) => {
      const until = body.until ?? undefined;
      if (until !== undefined && until <= ports.clock.now()) throw invalid("until", "must lie in the future");
      return shown(await pinContent(ports, principal, params.sha256, { reason: body.reason, until }));
    })
    .delete("/v1/contents/:sha256/pin", end, async ({ principal, params }) =>
      shown(await unpinContent(ports, principal, params.sha256)),
    );
}

function addBlocks(api: Api, ports: ContentRoutePorts): void {
  const blockTags = ["blocks"];
  const put = {
    ...one,
    tags: blockTags,
    summary: "Refuses bytes to all, whether they are here or not: readers are cut, nobody fetches or uploads them",
    roles: changes,
    body: z.strictObject({ reason }).meta({ id: "BlockRequest" }),
    responses: { 200: blockShape },
  } as const;
  const show = {
    ...one,
    tags: blockTags,
    summary: "Shows the block of these bytes",
    roles: reads,
    responses: { 200: blockShape },
    errors: ABSENT,
  } as const;
  const lift = {
    ...one,
    tags: blockTags,
    summary: "Lifts a block",
    roles: changes,
    responses: { 204: null },
    errors: ABSENT,
  } as const;
  const list = {
    summary: "Lists all blocks, in the order of their digests",
    tags: blockTags,
    roles: reads,
    query: z.strictObject({ ...pageQuery, after: digestField.optional() }),
    responses: { 200: pageOf("blocks", blockShape) },
  } as const;
  api
    .get("/v1/blocks", list, async ({ context, principal, query: { limit, after } }) => {
      const { blocks, more } = await listBlocks(ports, principal, limit, after);
      const next = nextPage(context, more ? blocks.at(-1)?.sha256 : undefined);
      return { status: 200, body: { blocks: blocks.map(blockView), next } };
    })
    .get("/v1/contents/:sha256/block", show, async ({ principal, params }) => {
      const view = blockView(await showBlock(ports, principal, params.sha256));
      return { status: 200, headers: { ETag: viewTag(view) }, body: view };
    })
    .put("/v1/contents/:sha256/block", put, async ({ principal, params, body }) => {
      const view = blockView(await blockContent(ports, principal, params.sha256, body.reason));
      return { status: 200, headers: { ETag: viewTag(view) }, body: view };
    })
    .delete("/v1/contents/:sha256/block", lift, async ({ principal, params }) => {
      await unblockContent(ports, principal, params.sha256);
      return { status: 204 };
    });
}

function addChanges(api: Api, ports: ContentRoutePorts): void {
  const remove = {
    ...one,
    summary: "Takes cached content out; whoever reads it reads on, and the bytes go with the last of them",
    roles: changes,
    query: z.strictObject({ force: flag().default(false) }),
    responses: { 200: contentShape },
    errors: ["content-not-found", "content-is-internal", "content-is-irreplaceable", "content-is-pinned"],
  } as const;
  const verify = {
    ...one,
    summary: "Reads the bytes again and compares; what is damaged is quarantined and healed",
    description: "Answers 200 when that is over within a few seconds, else 202 and the job, which goes on.",
    roles: changes,
    body: nothing,
    responses: { 200: taskShape, 202: taskShape },
    errors: ABSENT,
  } as const;
  api
    .delete("/v1/contents/:sha256", remove, async ({ principal, params, query }) =>
      shown(await removeContent(ports, principal, params.sha256, query.force)),
    )
    .post("/v1/contents/:sha256/verify", verify, async ({ context, principal, params }) => {
      const task = await verifyContent(ports, principal, params.sha256, context.req.raw.signal);
      const headers = { Location: `${ports.publicUrl ?? ""}/v1/scrubs/${task.id}` };
      return { status: task.finishedAt === undefined ? 202 : 200, headers, body: taskView(task) };
    });
}

function shown(content: ContentEntry) {
  const body = contentView(content);
  return { status: 200, headers: { ETag: viewTag(body) }, body } as const;
}
