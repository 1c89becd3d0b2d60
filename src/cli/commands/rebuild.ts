import type { Command } from "commander";
import { formatBytes } from "../../config/bytes.ts";
import { loadPlace, type Place } from "../../config/place.ts";
import type { RebuildListener, RebuildReport } from "../../rebuild.ts";
import { EXIT, Failure } from "../failure.ts";
import { interruptible } from "../interruptible.ts";
import type { Terminal } from "../terminal.ts";
import { WorkProgress } from "../work-progress.ts";

const NEXT = `
Register the artifacts again with their sha256. The first read of each, or its upload, brings the bytes once more and
joins what is kept already; until then nobody may read it, and it counts as cached: what was read least recently goes
first when CISTERN_CACHE_BYTES is reached.`;

interface Options {
  readonly takeOver?: true;
  readonly dryRun?: true;
}

export function defineRebuild(program: Command, terminal: Terminal): void {
  program
    .command("rebuild")
    .description(
      "after the catalog is lost: read every object of the bucket (or of the store in CISTERN_DATA_DIR) that no row names, and write its row; the servers are stopped",
    )
    .option("--take-over", "take a bucket that belongs to another catalog, which is lost and which no server uses")
    .option("--dry-run", "tell what has no row; read and write nothing")
    .action((options: Options, command: Command) => rebuild(command, terminal, options));
}

async function rebuild(command: Command, terminal: Terminal, options: Options): Promise<void> {
  const json = command.optsWithGlobals<{ json?: boolean }>().json === true;
  const place = loadPlace(terminal.environment);
  const progress = new WorkProgress(terminal, json);
  const dryRun = options.dryRun === true;
  // Only here: the other commands need no database.
  const { rebuildCatalog } = await import("../../rebuild.ts");
  const work = { place, user: terminal.user, takeOver: options.takeOver === true, dryRun };
  const hint = "run it again before a server starts: what has a row by now is passed over";
  const report = await interruptible(terminal, progress, hint, (signal) =>
    rebuildCatalog(work, listen(progress), signal),
  );
  tell(report, { place, dryRun, json, terminal, progress });
  if (report.damaged.length === 0) return;
  throw new Failure(`${report.damaged.length} contents do not have the bytes that their name says`, {
    exit: EXIT.mismatch,
    code: "content-damaged",
    hint: "they were left alone and have no row; their objects may be removed by hand",
  });
}

function listen(progress: WorkProgress): RebuildListener {
  let [total, done] = [0, 0];
  return {
    begin({ contents, objects }) {
      total = contents;
      progress.name = `0/${total}`;
      progress.note(`${contents} contents in ${objects} objects`);
      progress.event({ event: "begin", contents, objects });
    },
    read: (bytes) => progress.moved(bytes),
    done(sha256, outcome, size) {
      done += 1;
      progress.name = `${done}/${total}`;
      progress.event({ event: "content", sha256, outcome, ...(size === undefined ? {} : { bytes: size }) });
      if (outcome === "damaged") progress.note(`  ${sha256} does not have the bytes that its name says: left alone`);
    },
  };
}

interface Telling {
  readonly place: Place;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly terminal: Terminal;
  readonly progress: WorkProgress;
}

function tell(report: RebuildReport, { place, dryRun, json, terminal, progress }: Telling): void {
  const { restored, bytes, recorded, damaged } = report;
  if (json) {
    progress.event({ event: "end", state: dryRun ? "dry-run" : "done", restored, bytes, recorded, damaged });
    return;
  }
  const where = place.kind === "cluster" ? `bucket ${place.s3.bucket} at ${place.s3.endpoint}` : place.dataDir;
  const done = dryRun ? "have no row" : "have a row again";
  terminal.print(
    [where, `  ${restored} contents ${done}: ${formatBytes(bytes)}`, `  ${recorded} contents had one`].join("\n"),
  );
  if (restored > 0 && !dryRun) terminal.note(NEXT);
}
