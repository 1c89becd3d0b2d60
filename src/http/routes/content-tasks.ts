import { z } from "zod";
import {
  cancelTask,
  dryRunPurge,
  listTasks,
  type PurgeRequest,
  showTask,
  startPurge,
  startScrub,
  type TaskPorts,
} from "../../artifact/content-tasks.ts";
import { invalid } from "../../domain/errors.ts";
import { TASK_STATES, type TaskId, type TaskKind } from "../../domain/tasks.ts";
import { Api, type ApiPorts } from "../api.ts";
import { artifactBody, filterBody, filterOf } from "../content-query.ts";
import { contentShape, contentView } from "../content-view.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { nextPage, pageOf, pageQuery } from "../pages.ts";
import { taskDetailsShape, taskDetailsView, taskShape, taskView } from "../task-view.ts";
import { flag, nothing, originName, parsed, text } from "../wire-fields.ts";

export interface TaskRoutePorts extends TaskPorts, ApiPorts {}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const taskId = parsed({ type: "string", format: "uuid" }, (value, field): TaskId => {
  if (typeof value === "string" && UUID.test(value)) return value as TaskId;
  throw invalid(field, "must be the id of a job");
});

const reads = ["admin", "auditor"] as const;
const changes = ["admin"] as const;
const SCRUBS: readonly TaskKind[] = ["scrub", "verify"];
const PURGES: readonly TaskKind[] = ["purge"];

const listQuery = z.strictObject({ ...pageQuery, after: taskId.optional(), state: z.enum(TASK_STATES).optional() });

const purgeBody = z
  .strictObject({
    /** Contents that blobs of this artifact have. */
    artifact: artifactBody.optional(),
    /** Contents that this host (and port) delivered. */
    origin: originName().optional(),
    /** Contents that pass this filter. */
    query: filterBody.optional(),
    force: z.boolean().default(false),
    reason: text({ min: 1, max: 255 }).optional(),
  })
  .refine(({ artifact, origin, query }) => artifact !== undefined || origin !== undefined || isSome(query), {
    error:
      "must say what to purge: artifact, origin, or a query with at least one condition (all: true for everything)",
  })
  .meta({ id: "PurgeRequest" });

const purgePlanShape = z
  .object({ counts: z.record(z.string(), z.json()), contents: z.array(contentShape) })
  .meta({ id: "PurgePlan" });

/** `/v1/purges` and `/v1/scrubs`: jobs on many contents. */
export function taskRoutes(ports: TaskRoutePorts): DescribedRoutes {
  const api = new Api(ports);
  addJobs(api, ports, "purges", PURGES);
  addJobs(api, ports, "scrubs", SCRUBS);
  const listing = (tag: string) => ({ summary: `Lists ${tag}, the newest first`, tags: [tag], roles: reads });
  const listPurges = {
    ...listing("purges"),
    query: listQuery,
    responses: { 200: pageOf("purges", taskShape) },
  } as const;
  const listScrubs = {
    ...listing("scrubs"),
    query: listQuery,
    responses: { 200: pageOf("scrubs", taskShape) },
  } as const;
  const purge = {
    summary: "Takes contents out; dry_run tells which ones would go",
    tags: ["purges"],
    roles: changes,
    query: z.strictObject({ dry_run: flag().default(false) }),
    body: purgeBody,
    creates: true,
    responses: { 200: purgePlanShape, 201: taskShape },
    errors: ["artifact-not-found"],
  } as const;
  const scrub = {
    summary: "Begins to read all contents again; a scrub that runs already is answered as it is",
    tags: ["scrubs"],
    roles: changes,
    body: nothing,
    creates: true,
    responses: { 200: taskShape, 201: taskShape },
  } as const;
  const at = (path: string, id: string) => ({ Location: `${ports.publicUrl ?? ""}/v1/${path}/${id}` });
  return api
    .get("/v1/purges", listPurges, async ({ context, principal, query: { limit, after, state } }) => {
      const { tasks, more } = await listTasks(ports, principal, { kinds: PURGES, state }, limit, after);
      const next = nextPage(context, more ? tasks.at(-1)?.id : undefined);
      return { status: 200, body: { purges: tasks.map(taskView), next } };
    })
    .get("/v1/scrubs", listScrubs, async ({ context, principal, query: { limit, after, state } }) => {
      const { tasks, more } = await listTasks(ports, principal, { kinds: SCRUBS, state }, limit, after);
      const next = nextPage(context, more ? tasks.at(-1)?.id : undefined);
      return { status: 200, body: { scrubs: tasks.map(taskView), next } };
    })
    .post("/v1/purges", purge, async ({ principal, query, body }) => {
      const request = purgeRequest(body);
      if (query.dry_run) {
        const { counts, contents } = await dryRunPurge(ports, principal, request);
        return { status: 200, body: { counts, contents: contents.map(contentView) } };
      }
      const task = await startPurge(ports, principal, request);
      return { status: 201, headers: at("purges", task.id), body: taskView(task) };
    })
    .post("/v1/scrubs", scrub, async ({ principal }) => {
      const { task, fresh } = await startScrub(ports, principal);
      return { status: fresh ? 201 : 200, headers: at("scrubs", task.id), body: taskView(task) };
    }).routes;
}

function addJobs(api: Api, ports: TaskRoutePorts, path: "purges" | "scrubs", kinds: readonly TaskKind[]): void {
  const tags = [path];
  const one = { tags, params: { id: taskId }, notFound: "job-not-found", errors: ["job-not-found"] } as const;
  const show = {
    ...one,
    summary: "Shows one, and its parts",
    roles: reads,
    responses: { 200: taskDetailsShape },
  } as const;
  const cancel = {
    ...one,
    summary: "Ends one; what it has done stays done",
    roles: changes,
    responses: { 200: taskShape },
  } as const;
  api
    .get(`/v1/${path}/:id`, show, async ({ principal, params }) => ({
      status: 200,
      body: taskDetailsView(await showTask(ports, principal, kinds, params.id)),
    }))
    .delete(`/v1/${path}/:id`, cancel, async ({ principal, params }) => ({
      status: 200,
      body: taskView(await cancelTask(ports, principal, kinds, params.id)),
    }));
}

function purgeRequest({ artifact, origin, query, force, reason }: z.output<typeof purgeBody>): PurgeRequest {
  const filter = filterOf(query ?? {});
  return {
    filter: { ...filter, artifact: artifact ?? filter.artifact, origin: origin ?? filter.origin },
    force,
    reason,
  };
}

function isSome(query: z.output<typeof filterBody> | undefined): boolean {
  return query !== undefined && Object.values(query).some((value) => value !== undefined);
}
