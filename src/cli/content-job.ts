import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { formatBytes } from "../config/bytes.ts";
import { EXIT, Failure, isUnreachable } from "./failure.ts";
import { every, NOTE_MS } from "./progress.ts";
import type { Session } from "./session.ts";

const COUNTS = z.record(z.string(), z.unknown());

/** A job as `/v1/purges` and `/v1/scrubs` show it. */
export const JOB = z.looseObject({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  progress: COUNTS,
  result: COUNTS.nullish(),
  error: z.string().nullish(),
  created_by: z.string(),
  created_at: z.string(),
  finished_at: z.string().nullish(),
});
export type Job = z.infer<typeof JOB>;

const LOOK_MS = 500;

/** Waits for the end of a job and tells how far it is; Ctrl-C leaves it running. */
export async function awaitJob({ client, terminal, json, signal }: Session, path: string, begun: Job): Promise<Job> {
  let job = begun;
  const due = every(NOTE_MS);
  try {
    while (job.finished_at == null) {
      if (!json) terminal.redraw(progressText(job));
      if (!json && terminal.columns === undefined && due()) terminal.note(progressText(job));
      await delay(LOOK_MS, undefined, { signal });
      job = await client.call({ method: "GET", path: `${path}/${job.id}` }, JOB, signal);
    }
  } catch (error) {
    terminal.redraw("");
    if (signal.aborted) terminal.note(`job ${job.id} goes on: cistern cache cancel ${job.id} ends it`);
    else if (isUnreachable(error)) terminal.note(`job ${job.id} goes on when the server does: cistern cache jobs`);
    throw error;
  } finally {
    terminal.redraw("");
  }
  if (job.state === "failed") {
    throw new Failure(`the ${job.kind} failed: ${job.error ?? "the server's log tells why"}`, {
      exit: EXIT.failed,
      code: "job-failed",
    });
  }
  return job;
}

/** How far a job is, or what it has come to, in one line. */
export function progressText({ kind, state, progress, result }: Job): string {
  const counts = { ...progress, ...result };
  const told = Object.entries(TOLD).flatMap(([name, words]) => {
    const value = counts[name];
    if (typeof value !== "number" || (value === 0 && !ALWAYS.has(name))) return [];
    return [`${name === "bytes" ? formatBytes(value) : value} ${words}`.trim()];
  });
  const found = typeof counts.found === "string" ? [counts.found] : [];
  const all = [...found, ...told];
  return `${kind} ${state}${all.length === 0 ? "" : `: ${all.join(", ")}`}`;
}

const ALWAYS: ReadonlySet<string> = new Set(["purged", "checked"]);
const TOLD: Readonly<Record<string, string>> = {
  purged: "purged",
  checked: "checked",
  bytes: "",
  damaged: "damaged",
  healed: "healed",
  unreadable: "unreadable",
  kept_internal: "kept (uploaded)",
  kept_pinned: "kept (pinned)",
  kept_irreplaceable: "kept (irreplaceable)",
};
