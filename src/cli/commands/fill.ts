import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../../domain/duration.ts";
import { ARTIFACT_TYPES } from "../artifact-view.ts";
import { EXIT, Failure } from "../failure.ts";
import {
  FILL_VIEW,
  FILLS_PATH,
  type FillView,
  fillPath,
  fillText,
  listFills,
  nameOfFill,
  progressOfFill,
  rateOfFill,
  stateOfFill,
} from "../fill-view.ts";
import { findArtifact } from "../find-artifact.ts";
import { openSession, type Session } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { reportEnd, watchFill } from "../watch-fills.ts";

const STATES = ["queued", "running", "done", "failed", "cancelled"] as const;
const MOST = 200;

interface AddOptions {
  readonly all?: true;
  readonly type?: string;
  readonly owner?: string;
  readonly tag?: string;
  readonly visibility?: string;
  readonly priority?: string;
  readonly notBefore?: string;
  readonly deadline?: string;
  readonly pinFor?: string;
  readonly wait?: true;
}

interface ListOptions {
  readonly state?: string;
  readonly kind?: string;
  readonly project?: string;
  readonly origin?: string;
  readonly parent?: string;
  readonly limit: number;
}

export function defineFill(program: Command, terminal: Terminal): void {
  const fill = program.command("fill").description("fetch ahead, and see what is fetched, waits or failed");
  fill
    .command("ls")
    .description("list fetches: those for readers first, then the queue, newest first")
    .addOption(new Option("--state <state>", "in this state only").choices(STATES))
    .addOption(new Option("--kind <kind>", "of this kind only").choices(["prefetch", "query", "demand"]))
    .option("--project <project>", "of this project's artifacts only")
    .option("--origin <host>", "from this origin only")
    .option("--parent <id>", "found by this query only")
    .option("--limit <number>", "this many at most", parseCount, MOST)
    .action((options: ListOptions, command: Command) => ls(openSession(command, terminal), options));
  const add = fill
    .command("add")
    .description("ask for bytes to be fetched before anybody reads them")
    .argument("[name|id|url]", "the artifact, or what is registered under a URL")
    .option("--all", "all active artifacts that the options below match, instead of one")
    .addOption(new Option("--type <type>", "of this type").choices(ARTIFACT_TYPES))
    .option("--owner <project>", "of this project")
    .option("--tag <tag>", "with this tag")
    .addOption(new Option("--visibility <visibility>", "of this visibility").choices(["private", "public"]))
    .option("--priority <priority>", "0 to 9, or low (2), normal (5), high (8); higher goes first", parsePriority);
  add
    .option("--not-before <time>", "not before this time (RFC 3339, or an ISO 8601 duration from now)", parseTime)
    .option("--deadline <time>", "it has failed when it has not ended by then", parseTime)
    .option("--pin-for <duration>", "keep it from eviction so long (P7D)", checkDuration)
    .option("--wait", "wait until it has ended")
    .action((what: string | undefined, options: AddOptions, command: Command) =>
      ask(openSession(command, terminal), what, options),
    );
  fill
    .command("show")
    .description("show a fetch, whole")
    .argument("<id>", "its id")
    .action((id: string, _options: unknown, command: Command) => show(openSession(command, terminal), id));
  fill
    .command("watch")
    .description("follow a fetch until it has ended; fails as it does")
    .argument("<id>", "its id")
    .action(async (id: string, _options: unknown, command: Command) => {
      const session = openSession(command, terminal);
      reportEnd(session, await watchFill(session, id));
    });
  fill
    .command("cancel")
    .description("cancel a fetch: at once while it waits, within seconds while it runs")
    .argument("<id>", "its id; of a query with all that it has found")
    .option("--force", "cut its readers as well (the admin's alone)")
    .action((id: string, options: { force?: true }, command: Command) =>
      cancel(openSession(command, terminal), id, options.force === true),
    );
}

async function ls(session: Session, { limit, ...filter }: ListOptions): Promise<void> {
  const fills = await listFills(session.client, { ...filter }, limit, session.signal);
  if (session.json) session.terminal.print(JSON.stringify({ fills }));
  else if (fills.length === 0) session.terminal.note("nothing is fetched, and nothing waits to be");
  else session.terminal.print(table(HEADER, fills.map(rowOf)));
}

const HEADER = ["ID", "STATE", "KIND", "PRIO", "PROJECT", "WHAT", "PROGRESS", "RATE", "READERS", "REPLICA", "ERROR"];

function rowOf(fill: FillView): readonly string[] {
  const { id, kind, priority, project, followers, replica, error } = fill;
  return [
    id,
    stateOfFill(fill),
    kind,
    kind === "demand" ? "-" : String(priority),
    printable(project),
    nameOfFill(fill),
    progressOfFill(fill),
    rateOfFill(fill),
    String(followers),
    replica ?? "-",
    error?.code ?? "-",
  ];
}

async function ask(session: Session, what: string | undefined, options: AddOptions): Promise<void> {
  const body = {
    ...(await targetOf(session, what, options)),
    ...(options.priority === undefined ? {} : { priority: wirePriority(options.priority) }),
    ...(options.notBefore === undefined ? {} : { not_before: options.notBefore }),
    ...(options.deadline === undefined ? {} : { deadline: options.deadline }),
    ...(options.pinFor === undefined ? {} : { pin_for: options.pinFor }),
  };
  const fill = await session.client.call({ method: "POST", path: FILLS_PATH, body }, FILL_VIEW, session.signal);
  if (options.wait === true) {
    reportEnd(session, await watchFill(session, fill.id));
    return;
  }
  session.terminal.print(session.json ? JSON.stringify(fill) : `${fill.id}  ${nameOfFill(fill)}, ${fill.state}`);
}

async function targetOf(session: Session, what: string | undefined, options: AddOptions): Promise<object> {
  const { all, type, owner, tag, visibility } = options;
  const filter = { type, owner, tag, visibility };
  const filtered = Object.values(filter).some((value) => value !== undefined);
  if (all === true) {
    // A name may stand for many versions: then it is one more thing to match.
    return { query: { ...filter, ...(what === undefined ? {} : { name: what }) } };
  }
  if (what === undefined || filtered) {
    throw new Failure(
      what === undefined ? "nothing to fetch was named" : "--type, --owner, --tag and --visibility need --all",
      {
        exit: EXIT.usage,
        code: "usage",
        hint: "name an artifact or a URL, or say --all with what is to match",
      },
    );
  }
  if (/^https?:\/\//i.test(what)) return { url: what };
  return { artifact: (await findArtifact(session.client, what, session.signal)).artifact.id };
}

async function show(session: Session, id: string): Promise<void> {
  const fill = await session.client.call({ method: "GET", path: fillPath(id) }, FILL_VIEW, session.signal);
  session.terminal.print(session.json ? JSON.stringify(fill) : fillText(fill));
}

async function cancel(session: Session, id: string, force: boolean): Promise<void> {
  const path = `${fillPath(id)}${force ? "?force=true" : ""}`;
  const fill = await session.client.call({ method: "DELETE", path }, FILL_VIEW, session.signal);
  if (session.json) session.terminal.print(JSON.stringify(fill));
  else session.terminal.print(`${fill.id}  ${nameOfFill(fill)}, ${stateOfFill(fill)}`);
}

function wirePriority(text: string): number | string {
  return /^\d$/.test(text) ? Number(text) : text;
}

function parsePriority(text: string): string {
  if (/^(\d|low|normal|high)$/.test(text)) return text;
  throw new InvalidArgumentError("must be 0 to 9, low, normal or high.");
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("must be a number of fetches.");
}

function checkDuration(text: string): string {
  if ((parseDuration(text) ?? 0) > 0) return text;
  throw new InvalidArgumentError("must be an ISO 8601 duration like P30D or PT12H.");
}

function parseTime(text: string): string {
  const later = parseDuration(text);
  if (later !== undefined) return new Date(Date.now() + later).toISOString();
  const at = Date.parse(text);
  if (!Number.isNaN(at) && /^\d{4}-/.test(text)) return new Date(at).toISOString();
  throw new InvalidArgumentError("must be a time like 2030-01-31T12:00:00Z, or a duration like PT2H.");
}
