import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { z } from "zod";
import { formatBytes } from "../../config/bytes.ts";
import { parseByteLimit } from "../byte-limit.ts";
import { EXIT, Failure } from "../failure.ts";
import { openSession, type Session } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const BYTES = "max_fetched_bytes_per_day";
const FILLS = "max_concurrent_fills";

const ONE = z.looseObject({ quota_name: z.string(), quota_value: z.number(), quota_usage: z.number().optional() });
const PROJECT = z.looseObject({ project_id: z.string(), project_quotas: z.array(ONE) });
const ALL = z.looseObject({
  revision: z.string(),
  quotas: z.array(PROJECT),
  global_quotas: z.record(z.string(), z.number()),
});
type Project = z.infer<typeof PROJECT>;

type Given = number | "default";

interface SetOptions {
  readonly fetched?: Given;
  readonly fills?: Given;
  readonly ifRevision?: string;
}

export function defineQuota(program: Command, terminal: Terminal): void {
  const quota = program.command("quota").description("what projects may have fetched");
  quota
    .command("ls")
    .description("list what is set for projects, and what holds for all others")
    .action((_options: unknown, command: Command) => ls(openSession(command, terminal)));
  quota
    .command("show")
    .description("show what holds for a project, and what it has used today")
    .argument("[project]", "its name (default: the token's own)")
    .action((project: string | undefined, _options: unknown, command: Command) =>
      show(openSession(command, terminal), project),
    );
  quota
    .command("set")
    .description("set what a project may; what is left out stays")
    .argument("<project>", "its name")
    .option("--fetched <bytes>", "bytes a day (UTC): 100GiB, none, or default", parseFetched)
    .option("--fills <number>", "fetches at once on each replica: a number, none, or default", parseFills)
    .option("--if-revision <revision>", "only if nothing was set since `quota ls` told this revision", revision)
    .action((project: string, options: SetOptions, command: Command) =>
      set(openSession(command, terminal), project, options),
    );
}

async function ls(session: Session): Promise<void> {
  showAll(session, await read(session));
}

function read({ client, signal }: Session): Promise<z.infer<typeof ALL>> {
  return client.call({ method: "GET", path: "/quotas" }, ALL, signal);
}

function showAll({ terminal, json }: Session, all: z.infer<typeof ALL>): void {
  const { global_quotas: others } = all;
  const rows = all.quotas.map((project) => [printable(project.project_id), bytesOf(project), fillsOf(project)]);
  const rest = ["(all others)", shownBytes(others[BYTES]), shownCount(others[FILLS])];
  const header = ["PROJECT", "FETCHED A DAY", "FETCHES AT ONCE"];
  terminal.print(json ? JSON.stringify(all) : table(header, [...rows, rest]));
  if (!json) terminal.note(`revision ${all.revision}`);
}

async function show({ client, terminal, json, signal }: Session, name: string | undefined): Promise<void> {
  const path = name === undefined ? "/project-quotas" : `/project-quotas/${encodeURIComponent(name)}`;
  const projects = await client.call({ method: "GET", path }, z.array(PROJECT), signal);
  const rows = projects.map((project) => [
    printable(project.project_id),
    bytesOf(project),
    formatBytes(quotaOf(project, BYTES)?.quota_usage ?? 0),
    fillsOf(project),
  ]);
  const header = ["PROJECT", "FETCHED A DAY", "TODAY", "FETCHES AT ONCE"];
  terminal.print(json ? JSON.stringify(projects) : table(header, rows));
}

async function set(session: Session, project: string, { fetched, fills, ifRevision }: SetOptions): Promise<void> {
  const quotas = [...given(BYTES, fetched), ...given(FILLS, fills)];
  if (quotas.length === 0) {
    throw new Failure("nothing to set: give --fetched or --fills", { exit: EXIT.usage, code: "usage" });
  }
  const body = [{ project_id: project, project_quotas: quotas }];
  const headers = { "If-Match": `"${ifRevision ?? (await read(session)).revision}"` };
  showAll(session, await session.client.call({ method: "PUT", path: "/quotas", headers, body }, ALL, session.signal));
}

function given(name: string, value: Given | undefined) {
  return value === undefined ? [] : [{ quota_name: name, quota_value: value === "default" ? null : value }];
}

function quotaOf(project: Project, name: string) {
  return project.project_quotas.find(({ quota_name }) => quota_name === name);
}

function bytesOf(project: Project): string {
  return shownBytes(quotaOf(project, BYTES)?.quota_value);
}

function fillsOf(project: Project): string {
  return shownCount(quotaOf(project, FILLS)?.quota_value);
}

function shownBytes(value: number | undefined): string {
  return value === undefined ? "default" : value < 0 ? "none" : formatBytes(value);
}

function shownCount(value: number | undefined): string {
  return value === undefined ? "default" : value < 0 ? "none" : String(value);
}

function parseFetched(text: string): Given {
  return worded(text) ?? parseByteLimit(text) ?? refuse("must be bytes with their unit (100GiB), none or default.");
}

function parseFills(text: string): Given {
  return worded(text) ?? (/^\d{1,6}$/.test(text) ? Number(text) : refuse("must be a number, none or default."));
}

function revision(text: string): string {
  return /^q[0-9a-f]{16}$/.test(text) ? text : refuse("must be a revision, as `quota ls` tells it.");
}

function worded(text: string): Given | undefined {
  if (text === "default") return text;
  return text === "none" ? -1 : undefined;
}

function refuse(message: string): never {
  throw new InvalidArgumentError(message);
}
