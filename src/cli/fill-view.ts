import { z } from "zod";
import { formatBytes } from "../config/bytes.ts";
import { actorText } from "./actor-text.ts";
import type { ApiClient } from "./api-client.ts";
import { factLines, printable } from "./table.ts";

const PARTS = z.looseObject({
  artifacts: z.number(),
  searched: z.boolean(),
  queued: z.number(),
  running: z.number(),
  done: z.number(),
  failed: z.number(),
  cancelled: z.number(),
});

/** A fetch as far as the command line reads it; unknown members are kept for `--json`. */
export const FILL_VIEW = z.looseObject({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  cancelling: z.boolean().nullish(),
  priority: z.number(),
  project: z.string(),
  artifact: z.looseObject({ id: z.string(), name: z.string() }).nullish(),
  query: z.record(z.string(), z.string()).nullish(),
  parts: PARTS.nullish(),
  source: z.string().nullish(),
  replica: z.string().nullish(),
  bytes: z.number(),
  total: z.number().nullish(),
  rate: z.number(),
  followers: z.number(),
  error: z.looseObject({ code: z.string(), message: z.string() }).nullish(),
  next_attempt_at: z.string().nullish(),
  attempts: z.number().nullish(),
  asked_by: z.string().nullish(),
  not_before: z.string().nullish(),
  deadline: z.string().nullish(),
  pin_for: z.string().nullish(),
  created_at: z.string().nullish(),
  started_at: z.string().nullish(),
  ended_at: z.string().nullish(),
});
export type FillView = z.infer<typeof FILL_VIEW>;

const FILL_PAGE = z.looseObject({ fills: z.array(FILL_VIEW), next: z.string().nullish() });

export const FILLS_PATH = "/v1/fills";

export function fillPath(id: string): string {
  return `${FILLS_PATH}/${encodeURIComponent(id)}`;
}

/** The first of them that match, at most this many, page by page. */
export async function listFills(
  client: ApiClient,
  filter: Readonly<Record<string, string>>,
  most: number,
  signal: AbortSignal,
): Promise<readonly FillView[]> {
  const found: FillView[] = [];
  let path: string | null | undefined =
    `${FILLS_PATH}?${new URLSearchParams({ ...filter, limit: String(Math.min(most, 1000)) })}`;
  while (path && found.length < most) {
    const page: z.infer<typeof FILL_PAGE> = await client.call({ method: "GET", path }, FILL_PAGE, signal);
    found.push(...page.fills);
    path = page.next;
  }
  return found.slice(0, most);
}

/** It will not change any more. */
export function hasEnded({ state }: FillView): boolean {
  return state === "done" || state === "failed" || state === "cancelled";
}

/** What it fetches, in words. */
export function nameOfFill({ artifact, query, id }: FillView): string {
  if (artifact != null) return printable(artifact.name);
  if (query == null) return id;
  const asked = Object.entries(query).map(([field, value]) => `${field}=${value}`);
  return printable(asked.length === 0 ? "all" : asked.join(" "));
}

/** How far it is: when its turn comes, bytes, or the parts of a query. */
export function progressOfFill({ bytes, total, parts, state, next_attempt_at: next }: FillView): string {
  if (state === "queued" && next != null && Date.parse(next) > Date.now()) return `not before ${next}`;
  if (parts != null) {
    const all = parts.queued + parts.running + parts.done + parts.failed + parts.cancelled;
    const failed = parts.failed === 0 ? "" : `, ${parts.failed} failed`;
    return `${parts.done} of ${all}${parts.searched ? "" : " so far"}${failed}`;
  }
  if (state === "queued") return "-";
  if (total == null || total === 0 || state === "done") return formatBytes(bytes);
  return `${formatBytes(bytes)}/${formatBytes(total)} ${Math.floor((bytes / total) * 100)}%`;
}

/** As a person reads it, one fact a line. */
export function fillText(fill: FillView): string {
  const { artifact, error, kind } = fill;
  const facts: readonly (readonly [string, string | null | undefined])[] = [
    ["id", fill.id],
    ["kind", kind],
    ["what", artifact == null ? nameOfFill(fill) : `${nameOfFill(fill)} (${artifact.id})`],
    ["state", stateOfFill(fill)],
    ["error", error == null ? null : `${error.code}: ${error.message}`],
    ["progress", progressOfFill(fill)],
    ["rate", rateOfFill(fill)],
    ["source", fill.source],
    ["priority", kind === "demand" ? null : String(fill.priority)],
    ["project", fill.project],
    ["asked by", fill.asked_by == null ? null : actorText(fill.asked_by)],
    ["readers", String(fill.followers)],
    ["replica", fill.replica],
    ["attempts", fill.attempts == null ? null : String(fill.attempts)],
    ["not before", fill.not_before],
    ["deadline", fill.deadline],
    ["pinned for", fill.pin_for],
    ["created", fill.created_at],
    ["started", fill.started_at],
    ["ended", fill.ended_at],
  ];
  const told = facts.flatMap(([name, value]) => (value == null ? [] : [[name, printable(value)] as const]));
  return factLines(told).join("\n");
}

export function stateOfFill({ state, cancelling }: FillView): string {
  return cancelling === true ? "cancelling" : state;
}

export function rateOfFill({ rate }: FillView): string {
  return rate === 0 ? "-" : `${formatBytes(rate)}/s`;
}
