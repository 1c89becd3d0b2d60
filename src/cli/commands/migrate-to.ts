import { resolve } from "node:path";
import type { Command } from "commander";
import { formatBytes } from "../../config/bytes.ts";
import { type ClusterPlace, loadClusterPlace } from "../../config/place.ts";
import type { MovedLimits, MoveOptions, MoveReport, MoveWatcher, Tally } from "../../transfer.ts";
import { EXIT, Failure } from "../failure.ts";
import { interruptible } from "../interruptible.ts";
import type { Terminal } from "../terminal.ts";
import { WorkProgress } from "../work-progress.ts";

const DONE = `
The embedded directory is as it was. Now:
  1. keep it until the replicas have proved themselves, and do not start a server on it
  2. give every replica the same DATABASE_URL, CISTERN_S3_*, CISTERN_CLUSTER_SECRET and CISTERN_ADMIN_TOKEN (to keep
     the admin's token: what the admin-token file of that directory says), a CISTERN_REPLICA_URL of its own, and a
     CISTERN_DATA_DIR of its own, which is not that directory
  3. start them: cistern serve`;

interface Options {
  readonly from?: string;
  readonly verify?: true;
  readonly skipDamaged?: true;
  readonly dryRun?: true;
}

export function defineMigrateTo(program: Command, terminal: Terminal): void {
  program
    .command("migrate-to")
    .description(
      "move catalog and content of a stopped embedded server to the Postgres and the bucket of DATABASE_URL and CISTERN_S3_*; goes on where it was interrupted",
    )
    .option("--from <dir>", "data directory of the embedded server (default: CISTERN_DATA_DIR, else ./data)")
    .option("--verify", "read what is in the bucket already, and compare digests")
    .option(
      "--skip-damaged",
      "go on without bytes that are missing or damaged here and that nothing else has (uploaded, or no origin delivers them any more): they are lost then",
    )
    .option("--dry-run", "tell what would be moved, and whether the target answers; move nothing")
    .action((options: Options, command: Command) => migrateTo(command, terminal, options));
}

async function migrateTo(command: Command, terminal: Terminal, options: Options): Promise<void> {
  const json = command.optsWithGlobals<{ json?: boolean }>().json === true;
  const place = loadClusterPlace(terminal.environment);
  const progress = new WorkProgress(terminal, json);
  const { dataDir, ...to } = place;
  const move: MoveOptions = {
    from: options.from === undefined ? dataDir : resolve(options.from),
    to,
    user: terminal.user,
    verify: options.verify === true,
    skipDamaged: options.skipDamaged === true,
    dryRun: options.dryRun === true,
  };
  // Only here: the other commands need no database.
  const { moveToCluster } = await import("../../transfer.ts");
  const hint = "nothing is lost: run the same command again, it goes on from there";
  const report = await interruptible(terminal, progress, hint, (signal) =>
    moveToCluster(move, watch(progress, move), signal),
  );
  tell(report, move, progress, terminal, json);
  failIfDamaged(report, move);
}

function watch(progress: WorkProgress, { dryRun, from }: MoveOptions): MoveWatcher {
  progress.name = "content";
  return {
    begin({ count, bytes }) {
      progress.total = bytes;
      progress.note(`${from}: ${count} contents, ${formatBytes(bytes)}`);
      progress.event({ event: "begin", from, contents: count, bytes, dry_run: dryRun });
    },
    moved: (bytes) => progress.moved(bytes),
    content({ object, size, internal, irreplaceable }, outcome, reason) {
      const { sha256, fence } = object;
      const kind = { internal, irreplaceable };
      progress.event({ event: "content", sha256, fence, bytes: size, ...kind, outcome, ...(reason && { reason }) });
      if (outcome !== "damaged") return;
      const cached = irreplaceable ? "cached, no origin delivers it any more" : "cached, will be fetched again";
      const what = internal ? "uploaded bytes" : cached;
      progress.note(`  ${sha256} ${reason ?? "is damaged"} (${what})`);
    },
    records() {
      progress.name = "records";
      progress.draw();
    },
  };
}

function tell(report: MoveReport, move: MoveOptions, progress: WorkProgress, terminal: Terminal, json: boolean): void {
  const { contents, lost, limits, records } = report;
  if (json) {
    const state = move.dryRun ? "dry-run" : records === undefined ? "incomplete" : "done";
    const { cacheBytes: cache_bytes = null, spoolBytes: spool_bytes = null } = limits;
    const told = { contents, lost, moved_limits: { cache_bytes }, left_limits: { spool_bytes } };
    progress.event({ event: "end", state, ...told, records: records ?? null });
    return;
  }
  const line = (what: string, tally: Tally) => (tally.count === 0 ? [] : [`  ${what}: ${text(tally)}`]);
  const cached = { count: contents.damaged.count - lost.count, bytes: contents.damaged.bytes - lost.bytes };
  const lines = [
    ...line(move.dryRun ? "to be copied" : "copied and verified", contents.copied),
    ...line("there already", contents.present),
    ...line("there already, read and verified", contents.verified),
    ...line("left out, will be fetched again", cached),
    ...line("lost: damaged here, and nothing else has them", lost),
    ...(records === undefined ? [] : [recordsLine(records)]),
    ...limitLines(limits),
  ];
  const head = move.dryRun ? `the target answers; nothing was moved to ${describe(move.to)}` : describe(move.to);
  terminal.print([head, ...lines].join("\n"));
  if (records !== undefined) terminal.note(DONE);
}

function recordsLine(records: NonNullable<MoveReport["records"]>): string {
  const { artifacts, blobs, contents, tokens, policies, quotas, blocks, fills, jobs, audit } = records;
  const first = `${artifacts} artifacts, ${blobs} blobs, ${contents} contents, ${tokens} tokens`;
  const rules = `${policies} versions of the policy, ${quotas} quotas, ${blocks} blocks`;
  return `  records: ${first}, ${rules}, ${fills} waiting prefetches, ${jobs} open jobs, ${audit} entries of the audit`;
}

/** What becomes of limits that were set for the disk of one machine. */
function limitLines({ cacheBytes, spoolBytes }: MovedLimits): string[] {
  const cache = (bytes: number) =>
    `  the limit of the cache, ${formatBytes(bytes)}, is the bucket's: \`cistern capacity set --cache\` changes it`;
  const spool = (bytes: number) =>
    `  the limit of the spool, ${formatBytes(bytes)}, is left: each replica goes by its CISTERN_SPOOL_BYTES, unless \`cistern capacity set --spool\` says otherwise`;
  return [
    ...(cacheBytes === undefined ? [] : [cache(cacheBytes)]),
    ...(spoolBytes === undefined ? [] : [spool(spoolBytes)]),
  ];
}

function failIfDamaged({ lost }: MoveReport, { skipDamaged }: MoveOptions): void {
  if (lost.count === 0 || skipDamaged) return;
  throw new Failure(`${lost.count} contents that nothing else has are missing or damaged: no records were moved`, {
    exit: EXIT.mismatch,
    code: "content-damaged",
    hint: "put their files back from a backup and run this again, or give them up with --skip-damaged",
  });
}

/** Where, without a secret. */
function describe({ database, s3 }: ClusterPlace): string {
  const { host, pathname } = new URL(database.url);
  return `Postgres ${host}${pathname}, bucket ${s3.bucket} at ${s3.endpoint}`;
}

function text({ count, bytes }: Tally): string {
  return `${count} contents, ${formatBytes(bytes)}`;
}
