import type { Command } from "commander";
import { z } from "zod";
import { formatBytes } from "../../config/bytes.ts";
import { actorText } from "../actor-text.ts";
import { awaitJob, JOB, type Job, progressText } from "../content-job.ts";
import { CONTENT, contentTable, readAll } from "../content-view.ts";
import { EXIT, Failure } from "../failure.ts";
import { CONTENT_ARGUMENT, findArtifactId, findContent } from "../find-content.ts";
import type { Session } from "../session.ts";
import { openSession } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const PURGES = "/v1/purges";
const SCRUBS = "/v1/scrubs";
const PLAN = z.looseObject({ counts: z.record(z.string(), z.unknown()), contents: z.array(CONTENT) });

interface PurgeOptions {
  readonly artifact?: string;
  readonly origin?: string;
  readonly project?: string;
  readonly all?: boolean;
  readonly force?: boolean;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly detach?: boolean;
}

/** What takes its time: `verify`, `purge`, `scrub`, and the jobs that they are. */
export function defineCacheJobs(cache: Command, terminal: Terminal): void {
  cache
    .command("verify")
    .description("read content again; what is damaged is healed where that can be")
    .argument("<content>", CONTENT_ARGUMENT)
    .action((content: string, _options: unknown, command: Command) => verify(openSession(command, terminal), content));
  cache
    .command("purge")
    .description("take cached content out; readers read on, uploads stay")
    .argument("[content]", `one: ${CONTENT_ARGUMENT}`)
    .option("--artifact <name|id>", "what this artifact has")
    .option("--origin <host>", "what this host delivered, named with its port as ls does")
    .option("--project <project>", "what was fetched on this project's account")
    .option("--all", "everything")
    .option("--force", "pinned and irreplaceable content too")
    .option("--reason <text>", "why, for the job's record")
    .option("--dry-run", "only tell what would go")
    .option("--detach", "do not wait for the end")
    .action((content: string | undefined, options: PurgeOptions, command: Command) =>
      purge(openSession(command, terminal), content, options),
    );
  cache
    .command("scrub")
    .description("read all content again, quarantine and heal what is damaged")
    .option("--detach", "do not wait for the end")
    .action((options: { detach?: boolean }, command: Command) => scrub(openSession(command, terminal), options));
  cache
    .command("jobs")
    .description("list purges, scrubs and verifications, the newest first")
    .action((_options: unknown, command: Command) => jobs(openSession(command, terminal)));
  cache
    .command("cancel")
    .description("end a purge or a scrub; what it has done stays done")
    .argument("<job>", "its id")
    .action((id: string, _options: unknown, command: Command) => cancel(openSession(command, terminal), id));
}

async function verify(session: Session, content: string): Promise<void> {
  const sha256 = await findContent(session, content);
  const path = `/v1/contents/${sha256}/verify`;
  const begun = await session.client.call({ method: "POST", path }, JOB, session.signal);
  const job = await awaitJob(session, SCRUBS, begun);
  const { found, healed_from } = { found: job.result?.found, healed_from: job.result?.healed_from };
  const healed = healed_from === "nothing" || healed_from === undefined ? "" : `, healed from ${healed_from}`;
  session.terminal.print(session.json ? JSON.stringify(job) : `${sha256} is ${String(found)}${healed}`);
  if (healed_from !== "nothing") return;
  if (session.json) session.terminal.exit(EXIT.mismatch);
  else {
    throw new Failure("the bytes are not what was admitted, and nothing here or outside has them", {
      exit: EXIT.mismatch,
      code: "digest-mismatch",
    });
  }
}

async function purge(session: Session, content: string | undefined, options: PurgeOptions): Promise<void> {
  const { origin, project, all, force = false, reason, dryRun, detach } = options;
  const wanted = [content, options.artifact, origin, project, all].filter((one) => one !== undefined);
  if (wanted.length === 0 || (content !== undefined && wanted.length > 1)) {
    const hint = "one content, or --artifact, --origin, --project, or --all";
    throw new Failure("say what to purge", { exit: EXIT.usage, code: "usage", hint });
  }
  if (content !== undefined && dryRun === true) {
    const hint = "cistern cache show tells what one content is";
    throw new Failure("--dry-run is for many contents", { exit: EXIT.usage, code: "usage", hint });
  }
  if (content !== undefined) return purgeOne(session, await findContent(session, content), force);
  const artifact = await findArtifactId(session, options.artifact);
  const query = { ...(project === undefined ? {} : { project }), ...(all === true ? { all } : {}) };
  const body = {
    force,
    ...(artifact === undefined ? {} : { artifact }),
    ...(origin === undefined ? {} : { origin }),
    ...(Object.keys(query).length === 0 ? {} : { query }),
    ...(reason === undefined ? {} : { reason }),
  };
  if (dryRun === true) return plan(session, body);
  const begun = await session.client.call({ method: "POST", path: PURGES, body }, JOB, session.signal);
  await conclude(session, PURGES, begun, detach);
}

async function purgeOne(session: Session, sha256: string, force: boolean): Promise<void> {
  const path = `/v1/contents/${sha256}?force=${force}`;
  const content = await session.client.call({ method: "DELETE", path }, CONTENT, session.signal);
  const text = `purged ${content.sha256} (${formatBytes(content.size)})`;
  session.terminal.print(session.json ? JSON.stringify(content) : text);
}

async function plan({ client, terminal, json, signal }: Session, body: unknown): Promise<void> {
  const planned = await client.call({ method: "POST", path: `${PURGES}?dry_run=true`, body }, PLAN, signal);
  if (json) {
    terminal.print(JSON.stringify(planned));
    return;
  }
  if (planned.contents.length > 0) terminal.print(contentTable(planned.contents));
  const { counts } = planned;
  const job = { id: "", kind: "purge", state: "would do", progress: counts, created_by: "", created_at: "" };
  terminal.note(progressText(job));
}

async function scrub(session: Session, { detach }: { detach?: boolean }): Promise<void> {
  const begun = await session.client.call({ method: "POST", path: SCRUBS }, JOB, session.signal);
  const job = await conclude(session, SCRUBS, begun, detach);
  const lost = z.array(z.string()).safeParse(job.result?.quarantined).data ?? [];
  if (lost.length === 0) return;
  // The job says it all to a program.
  if (session.json) session.terminal.exit(EXIT.mismatch);
  else {
    throw new Failure(`${lost.length} contents are damaged, and nothing has their bytes`, {
      exit: EXIT.mismatch,
      code: "digest-mismatch",
      hint: "cistern cache ls --state quarantined names them",
    });
  }
}

async function conclude(session: Session, path: string, begun: Job, detach: boolean | undefined): Promise<Job> {
  const job = detach === true ? begun : await awaitJob(session, path, begun);
  session.terminal.print(session.json ? JSON.stringify(job) : `${progressText(job)} (job ${job.id})`);
  return job;
}

async function jobs(session: Session): Promise<void> {
  const purges = await readAll(session, `${PURGES}?limit=100`, "purges", JOB, 100);
  const scrubs = await readAll(session, `${SCRUBS}?limit=100`, "scrubs", JOB, 100);
  const all = [...purges, ...scrubs].sort((one, other) => other.created_at.localeCompare(one.created_at));
  const rows = all.map((job) => [job.id, job.created_at, actorText(job.created_by), printable(progressText(job))]);
  if (session.json) session.terminal.print(JSON.stringify({ jobs: all }));
  else if (all.length === 0) session.terminal.note("no jobs");
  else session.terminal.print(table(["JOB", "CREATED", "BY", "STATE"], rows));
}

async function cancel(session: Session, id: string): Promise<void> {
  const { client, terminal, json, signal } = session;
  const end = (path: string) =>
    client.call({ method: "DELETE", path: `${path}/${encodeURIComponent(id)}` }, JOB, signal);
  let job: Job;
  try {
    job = await end(PURGES);
  } catch (error) {
    if (!(error instanceof Failure) || error.details.code !== "job-not-found") throw error;
    job = await end(SCRUBS);
  }
  terminal.print(json ? JSON.stringify(job) : `${progressText(job)}${job.finished_at == null ? ", ending" : ""}`);
}
