import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { parseBytes } from "../../config/bytes.ts";
import { parseDuration } from "../../domain/duration.ts";
import { actorText } from "../actor-text.ts";
import { BLOCK_VIEW, CONTENT, CONTENT_DETAILS, contentTable, contentText, readAll } from "../content-view.ts";
import { CONTENT_ARGUMENT, findArtifactId, findContent } from "../find-content.ts";
import type { Session } from "../session.ts";
import { openSession } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { defineCacheJobs } from "./cache-jobs.ts";

const PATH = "/v1/contents";
const PAGE = 1000;
const SORTS = ["sha256", "size", "last_read", "admitted"].flatMap((order) => [`${order}:asc`, `${order}:desc`]);

interface ListOptions {
  readonly state?: string;
  readonly pinned?: boolean;
  readonly blocked?: boolean;
  readonly irreplaceable?: boolean;
  readonly uploaded?: boolean;
  readonly project?: string;
  readonly origin?: string;
  readonly artifact?: string;
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly unreadFor?: number;
  readonly sort: string;
  readonly limit?: number;
}

interface PinOptions {
  readonly reason: string;
  readonly until?: string;
  readonly for?: number;
}

/** `cistern cache`: what is cached, and what becomes of it. */
export function defineCache(program: Command, terminal: Terminal): void {
  const cache = program.command("cache").description("look at cached content; pin, block, verify, purge and scrub it");
  const on =
    (run: (session: Session, sha256: string, options: PinOptions) => Promise<void>) =>
    async (content: string, options: PinOptions, command: Command) => {
      const session = openSession(command, terminal);
      await run(session, await findContent(session, content), options);
    };
  cache
    .command("ls")
    .description("list contents")
    .addOption(new Option("--state <state>", "in this state only").choices(["admitted", "condemned", "quarantined"]))
    .option("--pinned", "pinned ones only")
    .option("--blocked", "blocked ones only")
    .option("--irreplaceable", "those that no location delivers any more")
    .option("--uploaded", "those that uploads brought")
    .option("--project <project>", "fetched on this project's account")
    .option("--origin <host>", "delivered by this host, named with its port as ls does")
    .option("--artifact <name|id>", "that this artifact has")
    .option("--min-size <size>", "at least so large (10MiB)", size)
    .option("--max-size <size>", "at most so large", size)
    .option("--unread-for <duration>", "not read for so long (P30D)", duration)
    .addOption(new Option("--sort <order>", "order").choices(SORTS).default("last_read:desc"))
    .option("--limit <number>", "at most so many", count)
    .action((options: ListOptions, command: Command) => ls(openSession(command, terminal), options));
  cache
    .command("show")
    .description("show one content, and who refers to it")
    .argument("<content>", CONTENT_ARGUMENT)
    .action(on(show));
  cache
    .command("pin")
    .description("keep content from being evicted")
    .argument("<content>", CONTENT_ARGUMENT)
    .requiredOption("--reason <text>", "why")
    .option("--until <time>", "when the pin ends (2030-01-31T12:00:00Z; default: never)")
    .addOption(new Option("--for <duration>", "how long it lasts (P7D)").argParser(duration).conflicts("until"))
    .action(on(pin));
  cache.command("unpin").description("end a pin").argument("<content>", CONTENT_ARGUMENT).action(on(unpin));
  cache
    .command("block")
    .description("refuse bytes to all from now on: readers are cut, nobody fetches or uploads them again")
    .argument("<content>", "their sha256, whether they are here or not, or an artifact that has them")
    .requiredOption("--reason <text>", "why")
    .action(on(block));
  cache.command("unblock").description("lift a block").argument("<content>", CONTENT_ARGUMENT).action(on(unblock));
  cache
    .command("blocks")
    .description("list all blocks")
    .action((_options: unknown, command: Command) => blocks(openSession(command, terminal)));
  defineCacheJobs(cache, terminal);
}

async function ls(session: Session, options: ListOptions): Promise<void> {
  const { limit, sort, unreadFor, state, project, origin, minSize, maxSize } = options;
  const flags = {
    pinned: options.pinned,
    blocked: options.blocked,
    irreplaceable: options.irreplaceable,
    internal: options.uploaded,
  };
  const before = unreadFor === undefined ? undefined : new Date(Date.now() - unreadFor).toISOString();
  const page = String(Math.min(PAGE, limit ?? PAGE));
  const given = {
    limit: page,
    sort,
    state,
    project,
    origin,
    artifact: await findArtifactId(session, options.artifact),
    min_size: minSize,
    max_size: maxSize,
    read_before: before,
    ...flags,
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined) query.set(name, String(value));
  const contents = await readAll(session, `${PATH}?${query}`, "contents", CONTENT, limit);
  if (session.json) session.terminal.print(JSON.stringify({ contents }));
  else if (contents.length === 0) session.terminal.note("no contents");
  else session.terminal.print(contentTable(contents));
}

async function show({ client, terminal, json, signal }: Session, sha256: string): Promise<void> {
  const content = await client.call({ method: "GET", path: at(sha256) }, CONTENT_DETAILS, signal);
  terminal.print(json ? JSON.stringify(content) : contentText(content));
}

async function pin(session: Session, sha256: string, options: PinOptions): Promise<void> {
  const within = options.for === undefined ? undefined : new Date(Date.now() + options.for).toISOString();
  const until = options.until ?? within;
  const body = { reason: options.reason, ...(until === undefined ? {} : { until }) };
  const content = await session.client.call({ method: "PUT", path: at(sha256, "/pin"), body }, CONTENT, session.signal);
  tell(session, content, `pinned ${sha256} until ${content.pin?.until ?? "it is unpinned"}`);
}

async function unpin(session: Session, sha256: string): Promise<void> {
  const path = at(sha256, "/pin");
  tell(session, await session.client.call({ method: "DELETE", path }, CONTENT, session.signal), `unpinned ${sha256}`);
}

async function block(session: Session, sha256: string, { reason }: { reason: string }): Promise<void> {
  const request = { method: "PUT", path: at(sha256, "/block"), body: { reason } } as const;
  tell(session, await session.client.call(request, BLOCK_VIEW, session.signal), `blocked ${sha256}`);
}

async function unblock(session: Session, sha256: string): Promise<void> {
  await session.client.send({ method: "DELETE", path: at(sha256, "/block") }, session.signal);
  tell(session, { unblocked: { sha256 } }, `unblocked ${sha256}`);
}

async function blocks(session: Session): Promise<void> {
  const found = await readAll(session, `/v1/blocks?limit=${PAGE}`, "blocks", BLOCK_VIEW);
  const rows = found.map(({ sha256, blocked_at, blocked_by, reason }) => [
    sha256,
    blocked_at,
    actorText(blocked_by),
    printable(reason),
  ]);
  if (session.json) session.terminal.print(JSON.stringify({ blocks: found }));
  else if (found.length === 0) session.terminal.note("no blocks");
  else session.terminal.print(table(["SHA256", "SINCE", "BY", "REASON"], rows));
}

function tell({ terminal, json }: Session, view: unknown, text: string): void {
  terminal.print(json ? JSON.stringify(view) : printable(text));
}

function at(sha256: string, below = ""): string {
  return `${PATH}/${encodeURIComponent(sha256)}${below}`;
}

function size(text: string): number {
  const bytes = parseBytes(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError("must be bytes (1048576) or a size with a unit (10GiB).");
}

function duration(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== undefined && milliseconds > 0) return milliseconds;
  throw new InvalidArgumentError("must be an ISO 8601 duration like P30D or PT12H.");
}

function count(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("must be a whole number from 1.");
}
