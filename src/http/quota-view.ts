import { createHash } from "node:crypto";
import { z } from "zod";
import type { QuotaChange, ShownQuota } from "../artifact/quotas.ts";
import type { ListedQuota } from "../domain/quotas.ts";
import { text } from "./wire-fields.ts";

/** Glare's way: a list of names and values; -1 is no limit. */
const NAMES = ["max_fetched_bytes_per_day", "max_concurrent_fills"] as const;
type Name = (typeof NAMES)[number];
const MAX_FILLS = 1_000_000;
const MAX_PROJECTS = 1_000;

const oneQuota = z.object({ quota_name: z.enum(NAMES), quota_value: z.int().min(-1) });

export const projectQuotaShape = z
  .object({
    project_id: z.string(),
    project_quotas: z.array(oneQuota.extend({ quota_usage: z.int().min(0).optional() })),
  })
  .meta({ id: "ProjectQuotas" });

export const allQuotasShape = z
  .object({
    revision: z.string().describe("Names what is set: the ETag, without its quotes"),
    quotas: z.array(projectQuotaShape),
    global_quotas: z.object({ max_fetched_bytes_per_day: z.int().min(-1), max_concurrent_fills: z.int().min(-1) }),
  })
  .meta({ id: "Quotas" });

/** null: as the deployment has it again. */
export const quotasBody = z
  .array(
    z.strictObject({
      project_id: text({ min: 1, max: 255 }),
      project_quotas: z
        .array(z.strictObject({ quota_name: z.enum(NAMES), quota_value: z.int().min(-1).nullable() }))
        .max(NAMES.length),
    }),
  )
  .max(MAX_PROJECTS);

export function quotaChanges(body: z.output<typeof quotasBody>): readonly QuotaChange[] {
  return body.map(({ project_id: project, project_quotas: given }) => {
    const value = (name: Name) => given.findLast(({ quota_name }) => quota_name === name)?.quota_value;
    const fills = read(value("max_concurrent_fills"));
    const within = typeof fills === "number" && Number.isFinite(fills) ? Math.min(fills, MAX_FILLS) : fills;
    return { project, fetchedBytesPerDay: read(value("max_fetched_bytes_per_day")), concurrentFills: within };
  });
}

function quotaView({ project, fetchedBytesPerDay, concurrentFills }: ListedQuota) {
  return {
    project_id: project,
    project_quotas: [
      ...entry("max_fetched_bytes_per_day", fetchedBytesPerDay),
      ...entry("max_concurrent_fills", concurrentFills),
    ],
  };
}

/** With what is in force where nothing is set, and what was used of it. */
export function shownQuotaView({ project, limits, fetched }: ShownQuota) {
  return {
    project_id: project,
    project_quotas: [
      { quota_name: NAMES[0], quota_value: shown(limits.fetchedBytesPerDay), quota_usage: fetched },
      { quota_name: NAMES[1], quota_value: shown(limits.concurrentFills) },
    ],
  };
}

/** Names all that is set; what holds for all others is not set here, and not in it. */
function revisionOf(quotas: readonly ListedQuota[]): string {
  const hash = createHash("sha256").update(JSON.stringify(quotas.map(quotaView)));
  return `q${hash.digest("hex").slice(0, 16)}`;
}

export function quotasTag(quotas: readonly ListedQuota[]): string {
  return `"${revisionOf(quotas)}"`;
}

export function allQuotasView(quotas: readonly ListedQuota[], global: ShownQuota["limits"]) {
  return {
    revision: revisionOf(quotas),
    quotas: quotas.map(quotaView),
    global_quotas: {
      max_fetched_bytes_per_day: shown(global.fetchedBytesPerDay),
      max_concurrent_fills: shown(global.concurrentFills),
    },
  };
}

function entry(name: Name, limit: number | undefined) {
  return limit === undefined ? [] : [{ quota_name: name, quota_value: shown(limit) }];
}

function shown(limit: number): number {
  return Number.isFinite(limit) ? limit : -1;
}

function read(value: number | null | undefined): number | null | undefined {
  return value === -1 ? Number.POSITIVE_INFINITY : value;
}
