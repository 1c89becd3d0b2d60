import { z } from "zod";
import type { TaskDetails } from "../artifact/content-tasks.ts";
import { TASK_STATES, type TaskRecord } from "../domain/tasks.ts";
import type { Shown } from "./operation.ts";
import { shownTime } from "./wire-fields.ts";

const json = z.record(z.string(), z.json());

const members = {
  id: z.string(),
  kind: z.enum(["purge", "scrub", "verify", "scrub-hot"]),
  state: z.enum(TASK_STATES),
  cancel_requested: z.boolean(),
  query: json,
  /** How far it is. */
  progress: json,
  /** What came of it; null until it is over, or when it failed. */
  result: json.nullable(),
  error: z.string().nullable(),
  created_by: z.string(),
  created_at: shownTime,
  started_at: shownTime.nullable(),
  finished_at: shownTime.nullable(),
  /** The replica that has to do it, or does it. */
  replica: z.string().nullable(),
};

/** A job on many contents. */
export const taskShape = z.object(members).meta({ id: "Job" });
/** One job, with its parts at the replicas. */
export const taskDetailsShape = z.object({ ...members, parts: z.array(taskShape) }).meta({ id: "JobDetails" });

export function taskView(task: TaskRecord): Shown<z.input<typeof taskShape>> {
  return {
    id: task.id,
    kind: task.kind,
    state: task.state,
    cancel_requested: task.cancelRequested,
    query: task.query,
    progress: task.progress,
    result: task.result ?? null,
    error: task.error ?? null,
    created_by: task.createdBy,
    created_at: task.createdAt.toISOString(),
    started_at: task.startedAt?.toISOString() ?? null,
    finished_at: task.finishedAt?.toISOString() ?? null,
    replica: task.place ?? task.holder?.split("#", 1)[0] ?? null,
  };
}

export function taskDetailsView({ task, parts }: TaskDetails): Shown<z.input<typeof taskDetailsShape>> {
  return { ...taskView(task), parts: parts.map(taskView) };
}
