import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { loadConfig } from "../../config/config.ts";
import { parseDuration } from "../../domain/duration.ts";
import { isCisternError } from "../../domain/errors.ts";
import { ROLES } from "../../domain/principal.ts";
import { EXIT, Failure } from "../failure.ts";
import type { Session } from "../session.ts";
import { openSession } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const PATH = "/v1/tokens";
const PAGE = 1000;

const TOKEN_VIEW = z.looseObject({
  id: z.string(),
  name: z.string(),
  project: z.string(),
  roles: z.array(z.string()),
  cidrs: z.array(z.string()).nullish(),
  created_at: z.string(),
  expires_at: z.string().nullish(),
  revoked_at: z.string().nullish(),
});
const CREATED_VIEW = TOKEN_VIEW.extend({ token: z.string() });
const TOKEN_PAGE = z.looseObject({ tokens: z.array(TOKEN_VIEW), next: z.string().nullish() });
type TokenView = z.infer<typeof TOKEN_VIEW>;

interface CreateOptions {
  readonly project?: string;
  readonly role: readonly string[];
  readonly cidr: readonly string[];
  readonly expires?: string;
  readonly local?: boolean;
}

export function defineToken(program: Command, terminal: Terminal): void {
  const token = program.command("token").description("create, list and revoke tokens (the admin's alone)");
  token
    .command("create")
    .description("create a token; it is shown once and kept only as a hash")
    .argument("<name>", "what it is for")
    .addOption(new Option("--project <project>", "project that owns what it creates (default: the name)"))
    .addOption(new Option("--role <role...>", "what it may do").choices(ROLES).default(["reader"]))
    .option("--cidr <cidr...>", "clients that may use it (default: any)", [])
    .option("--expires <duration>", "time to live, ISO 8601 (P30D, PT12H; default: none)", checkDuration)
    .option("--local", "without a server, in the catalog that is configured here: for when no token is known")
    .action((name: string, options: CreateOptions, command: Command) =>
      options.local === true
        ? createLocally(command, terminal, bodyOf(name, options))
        : create(openSession(command, terminal), bodyOf(name, options)),
    );
  token
    .command("ls")
    .description("list tokens")
    .action((_options: unknown, command: Command) => ls(openSession(command, terminal)));
  token
    .command("revoke")
    .description("revoke a token at once")
    .argument("<id>", "its id")
    .action((id: string, _options: unknown, command: Command) => revoke(openSession(command, terminal), id));
}

/** What the API takes. */
function bodyOf(name: string, options: CreateOptions): Record<string, unknown> {
  return {
    name,
    project: options.project ?? name,
    roles: options.role,
    ...(options.cidr.length === 0 ? {} : { cidrs: options.cidr }),
    ...(options.expires === undefined ? {} : { expires_in: options.expires }),
  };
}

async function create(session: Session, body: unknown): Promise<void> {
  const created = await session.client.call({ method: "POST", path: PATH, body }, CREATED_VIEW, session.signal);
  showCreated(created, session.terminal, session.json);
}

async function createLocally(command: Command, terminal: Terminal, body: unknown): Promise<void> {
  const { json, url, token } = command.optsWithGlobals<{ json?: boolean; url?: string; token?: string }>();
  if (url !== undefined || token !== undefined) {
    throw new Failure("--local asks no server: leave out --url and --token", { exit: EXIT.usage, code: "usage" });
  }
  const config = loadConfig(terminal.environment);
  // Only here: the other commands need no database.
  const { createLocalToken } = await import("../../local.ts");
  try {
    const created = await createLocalToken({ config, user: terminal.user }, body);
    showCreated(CREATED_VIEW.parse(created), terminal, json === true);
  } catch (cause) {
    if (!isCisternError(cause, "data-dir-locked")) throw cause;
    const hint = "stop it for as long as this takes, or leave out --local to ask it";
    throw new Failure("a server runs on this data directory", { exit: EXIT.failed, code: cause.code, hint, cause });
  }
}

function showCreated(created: z.infer<typeof CREATED_VIEW>, terminal: Terminal, json: boolean): void {
  if (json) {
    terminal.print(JSON.stringify(created));
    return;
  }
  terminal.note(`token ${created.id} (${printable(created.name)}), shown only now:`);
  terminal.print(created.token);
}

async function ls(session: Session): Promise<void> {
  const tokens: TokenView[] = [];
  let path: string | null | undefined = `${PATH}?limit=${PAGE}`;
  while (path) {
    const page: z.infer<typeof TOKEN_PAGE> = await session.client.call(
      { method: "GET", path },
      TOKEN_PAGE,
      session.signal,
    );
    tokens.push(...page.tokens);
    path = page.next;
  }
  if (session.json) session.terminal.print(JSON.stringify({ tokens }));
  else session.terminal.print(table(["ID", "NAME", "PROJECT", "ROLES", "CREATED", "STATE"], tokens.map(rowOf)));
}

function rowOf(token: TokenView): readonly string[] {
  const { id, name, project, roles, created_at } = token;
  return [id, printable(name), printable(project), roles.join(","), created_at, stateOf(token)];
}

function stateOf({ revoked_at, expires_at }: TokenView): string {
  if (revoked_at != null) return "revoked";
  if (expires_at == null) return "valid";
  return Date.parse(expires_at) <= Date.now() ? "expired" : `valid until ${expires_at}`;
}

async function revoke(session: Session, id: string): Promise<void> {
  await session.client.send({ method: "DELETE", path: `${PATH}/${encodeURIComponent(id)}` }, session.signal);
  session.terminal.print(session.json ? JSON.stringify({ revoked: { id } }) : `revoked ${printable(id)}`);
}

function checkDuration(text: string): string {
  if ((parseDuration(text) ?? 0) > 0) return text;
  throw new InvalidArgumentError("must be an ISO 8601 duration like P30D or PT12H.");
}
