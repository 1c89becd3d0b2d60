import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { formatBytes } from "../../config/bytes.ts";
import { parseDuration } from "../../domain/duration.ts";
import { openSession, type Session } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const PATH = "/v1/audit";
const PAGE = 200;
const MOST = 100;
const REDRAW_MS = 200;
const LINE_FEED = 10;

const ENTRY = z.looseObject({
  at: z.string(),
  kind: z.string(),
  actor: z.string(),
  actor_name: z.string().nullable(),
  project: z.string(),
  address: z.string(),
  action: z.string(),
  object: z.string(),
  before: z.unknown(),
  after: z.unknown(),
});
const ENTRIES = z.looseObject({ entries: z.array(ENTRY), next: z.string().nullable() });
type Entry = z.infer<typeof ENTRY>;

/** Of what leaves, as far as a table has room for it. */
const EGRESS = z.looseObject({ bytes: z.number(), outcome: z.string() });

interface Filters {
  readonly kind?: string;
  readonly action?: string;
  readonly object?: string;
  readonly actor?: string;
  readonly project?: string;
  readonly address?: string;
  readonly since?: string;
  readonly until?: string;
}

interface ListOptions extends Filters {
  readonly limit: number;
}

export function defineAudit(program: Command, terminal: Terminal): void {
  const audit = program.command("audit").description("who changed what, and what left, to where (admins and auditors)");
  filtered(audit.command("ls").description("list entries, the newest first"))
    .option("--limit <number>", "this many at most", parseCount, MOST)
    .action((options: ListOptions, command: Command) => ls(openSession(command, terminal), options));
  filtered(
    audit.command("export").description("write everything that matches to stdout, one JSON object a line"),
  ).action((options: Filters, command: Command) => exportAll(openSession(command, terminal), options));
}

function filtered(command: Command): Command {
  return command
    .addOption(new Option("--kind <kind>", "of this kind only").choices(["change", "egress"]))
    .option("--action <action>", "this action only (token.create); token.* for all that begin so")
    .option("--object <object>", "about this only (artifacts/images/ID, a URL); may end in *")
    .option("--actor <id>", "by this token's id only")
    .option("--project <project>", "of this project only")
    .option("--address <address>", "from this address, or to it")
    .option("--since <time>", "from this time on (RFC 3339, or an ISO 8601 duration ago)", parseTime)
    .option("--until <time>", "before this time", parseTime);
}

function queryOf({ since, until, kind, action, object, actor, project, address }: Filters): URLSearchParams {
  const given = { kind, action, object, actor, project, address, from: since, to: until };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) if (value !== undefined) query.set(name, value);
  return query;
}

async function ls(session: Session, { limit, ...filters }: ListOptions): Promise<void> {
  const entries: Entry[] = [];
  const query = queryOf(filters);
  query.set("limit", String(Math.min(PAGE, limit)));
  let path: string | null = `${PATH}?${query}`;
  while (path !== null && entries.length < limit) {
    const page: z.infer<typeof ENTRIES> = await session.client.call({ method: "GET", path }, ENTRIES, session.signal);
    entries.push(...page.entries.slice(0, limit - entries.length));
    path = page.next;
  }
  if (session.json) session.terminal.print(JSON.stringify({ entries }));
  else if (entries.length === 0) session.terminal.note("no entries");
  else session.terminal.print(table(["TIME", "WHO", "PROJECT", "ADDRESS", "ACTION", "OBJECT"], entries.map(rowOf)));
  const more = path !== null && !session.json;
  if (more) session.terminal.note(`there are more: --limit, filters, or cistern audit export`);
}

function rowOf({ at, actor, actor_name, project, address, action, object, after }: Entry): readonly string[] {
  const left = EGRESS.safeParse(after);
  const told = left.success ? ` (${left.data.outcome}, ${formatBytes(left.data.bytes)})` : "";
  return [at, printable(actor_name ?? actor), printable(project), printable(address), action, printable(object) + told];
}

async function exportAll({ client, terminal, signal }: Session, filters: Filters): Promise<void> {
  const query = queryOf(filters);
  const answer = await client.open({ method: "GET", path: `${PATH}/export?${query}` }, signal);
  let entries = 0;
  let drawnAt = 0;
  for await (const chunk of answer.body) {
    await terminal.pipe(chunk);
    for (const byte of chunk) if (byte === LINE_FEED) entries += 1;
    if (Date.now() - drawnAt < REDRAW_MS) continue;
    drawnAt = Date.now();
    terminal.redraw(`${entries} entries`);
  }
  terminal.redraw("");
  terminal.note(`${entries} entries`);
}

function parseTime(text: string): string {
  const ago = parseDuration(text);
  if (ago !== undefined) return new Date(Date.now() - ago).toISOString();
  const at = Date.parse(text);
  if (!Number.isNaN(at) && /^\d{4}-/.test(text)) return new Date(at).toISOString();
  throw new InvalidArgumentError("must be a time like 2030-01-31T12:00:00Z, or a duration like P7D.");
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("must be a number from 1 to 999999.");
}
