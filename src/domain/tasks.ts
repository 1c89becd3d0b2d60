import type { JsonObject } from "./json.ts";

export type TaskId = string & { readonly __brand: "TaskId" };

/**
 * `purge` removes contents, `scrub` reads all of them again and heals what is damaged, `scrub-hot` is a scrub's part
 * in the local files of one replica, `verify` is a scrub of one content.
 */
export type TaskKind = "purge" | "scrub" | "scrub-hot" | "verify";

export const TASK_STATES = ["queued", "running", "done", "failed", "cancelled"] as const;
export type TaskState = (typeof TASK_STATES)[number];

export interface NewTask {
  readonly kind: TaskKind;
  /** What is to be done, as the task's kind reads it. */
  readonly query: JsonObject;
  /** Who asked for it. */
  readonly createdBy: string;
  /** The task that it is a part of; such a one has a place, and there is one of each place. */
  readonly parent?: TaskId;
  /** Names the replica that has to do it; absent: any does. */
  readonly place?: string;
}

/** Work that takes its time, survives restarts and runs once in the deployment. */
export interface TaskRecord {
  readonly id: TaskId;
  readonly kind: TaskKind;
  readonly parent: TaskId | undefined;
  readonly place: string | undefined;
  readonly query: JsonObject;
  readonly state: TaskState;
  /** Somebody wants it to end; its holder sees to that. */
  readonly cancelRequested: boolean;
  /** How far it is, and what its next holder goes on from. */
  readonly progress: JsonObject;
  /** undefined: not finished, or it failed. */
  readonly result: JsonObject | undefined;
  /** Why it failed, in words that callers may see. */
  readonly error: string | undefined;
  readonly createdBy: string;
  readonly createdAt: Date;
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  /** The process that works on it. */
  readonly holder: string | undefined;
}

export interface TaskFilter {
  readonly kinds: readonly TaskKind[];
  readonly state?: TaskState | undefined;
  /** Parts of this task; without it tasks that are no parts. */
  readonly parent?: TaskId;
}

/** What was asked for, and what became of it; the newest first. */
export interface Tasks {
  /** A part that is there already is answered as it is. */
  create(task: NewTask): Promise<TaskRecord>;
  /** undefined: there is certainly none. */
  find(id: TaskId): Promise<TaskRecord | undefined>;
  /** One page, behind the task `after`. */
  list(filter: TaskFilter, limit: number, after: TaskId | undefined): Promise<readonly TaskRecord[]>;
  /** A queued one is cancelled, a running one and its parts are asked to end; one that is over stays. */
  cancel(id: TaskId): Promise<TaskRecord | undefined>;
  /** Forgets tasks that ended more than so many milliseconds ago. */
  expire(milliseconds: number): Promise<void>;
}

/** How a task ends. */
export type TaskEnd =
  | { readonly state: "done"; readonly result: JsonObject }
  | { readonly state: "cancelled"; readonly result: JsonObject }
  | { readonly state: "failed"; readonly error: string };

/** Tasks as those see them who do the work. A holder that is not heard of loses its task to the next one. */
export interface TaskWork {
  /**
   * The oldest open task of this kind that this place may do, held from now on for so many milliseconds:
   * one that is queued, or whose holder was not heard of in time. undefined: there is none.
   */
  claim(kind: TaskKind, place: string, holder: string, milliseconds: number): Promise<TaskRecord | undefined>;
  /** Notes the progress and holds on to the task. `lost`: another process has it by now, or it is over. */
  report(id: TaskId, holder: string, progress: JsonObject, milliseconds: number): Promise<"held" | "cancel" | "lost">;
  /** Ends it, if this process still holds it; answers whether it did. */
  finish(id: TaskId, holder: string, end: TaskEnd): Promise<boolean>;
  /** Gives it back, for the next one to go on with. */
  release(id: TaskId, holder: string): Promise<void>;
}
