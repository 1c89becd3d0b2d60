import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import { z } from "zod";
import { actorText } from "../actor-text.ts";
import { EXIT, Failure } from "../failure.ts";
import {
  ifVersion,
  POLICIES,
  POLICY_VIEW,
  type PolicyView,
  parsePolicyFile,
  previewPolicy,
  putPolicy,
  readPolicy,
} from "../policy-client.ts";
import { policyText, previewText } from "../policy-text.ts";
import { openSession, type Session } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { editPolicy } from "./policy-edit.ts";
import { defineExplain } from "./policy-explain.ts";

const PAGE = 1000;
const HEAD = POLICY_VIEW.pick({ version: true, made_by: true, made_at: true, note: true });
const VERSIONS = z.looseObject({ versions: z.array(HEAD), next: z.string().nullable() });

interface ApplyOptions {
  readonly note?: string;
  readonly dryRun?: boolean;
  readonly ifVersion?: number;
}

export function definePolicy(program: Command, terminal: Terminal): void {
  const policy = program.command("policy").description("what is cached, for whom, and how long");
  policy
    .command("show", { isDefault: true })
    .description("show the rules in force; with --json the document, as apply takes it")
    .argument("[version]", "another version than the one in force", versionNumber)
    .action((version: number | undefined, _options: unknown, command: Command) =>
      show(openSession(command, terminal), version),
    );
  policy
    .command("edit")
    .description("open the document in $VISUAL or $EDITOR, show what would change, and ask")
    .action((_options: unknown, command: Command) => editPolicy(openSession(command, terminal)));
  policy
    .command("apply")
    .description("replace the whole policy by a file's, at once and everywhere; the same one again is no new version")
    .argument("<file>", 'JSON {"access": […], "content": […]}; lines that begin with // are left out; - is stdin')
    .option("--note <text>", "what for: it stands in the list of versions")
    .option("--dry-run", "show what would change, and change nothing")
    .option("--if-version <number>", "only if this is the version in force", versionNumber)
    .action((file: string, options: ApplyOptions, command: Command) =>
      apply(openSession(command, terminal), file, options),
    );
  policy
    .command("versions")
    .description("list the policies that there have been, newest first")
    .action((_options: unknown, command: Command) => versions(openSession(command, terminal)));
  policy
    .command("restore")
    .description("put an older version in force again, as a new one")
    .argument("<version>", "its number", versionNumber)
    .option("--dry-run", "show what would change, and change nothing")
    .action((version: number, options: { dryRun?: boolean }, command: Command) =>
      restore(openSession(command, terminal), version, options.dryRun === true),
    );
  defineExplain(policy, terminal);
}

async function show(session: Session, version: number | undefined): Promise<void> {
  const { client, signal } = session;
  const path = version === undefined ? POLICIES : `${POLICIES}/versions/${version}`;
  const policy = await client.call({ method: "GET", path }, POLICY_VIEW, signal);
  const { access, content } = policy;
  session.terminal.print(session.json ? JSON.stringify({ access, content }, undefined, 2) : policyText(policy));
}

async function apply(session: Session, file: string, options: ApplyOptions): Promise<void> {
  const given = file === "-" ? await text(process.stdin) : await readDocument(file);
  const document = parsePolicyFile(given, file === "-" ? "stdin" : file);
  const current = await readPolicy(session);
  const { version, access, content } = current;
  if (options.ifVersion !== undefined && options.ifVersion !== version) {
    const hint = "cistern policy show tells what it is by now";
    throw new Failure(`version ${version} is in force, and not ${options.ifVersion}`, {
      exit: EXIT.failed,
      code: "precondition-failed",
      hint,
    });
  }
  const { note } = options;
  const body = note === undefined || typeof document !== "object" ? document : { ...document, note };
  if (options.dryRun === true) await showPreview(session, version, body);
  else if (isDeepStrictEqual(body, { access, content })) showChanged(session, current);
  else showChanged(session, await putPolicy(session, version, body));
}

async function readDocument(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new Failure(`cannot read ${file} (${code})`, { exit: EXIT.usage, code: "file-failed", cause });
  }
}

async function versions(session: Session): Promise<void> {
  const all: z.infer<typeof HEAD>[] = [];
  let path: string | null = `${POLICIES}/versions?limit=${PAGE}`;
  while (path !== null) {
    const page: z.infer<typeof VERSIONS> = await session.client.call({ method: "GET", path }, VERSIONS, session.signal);
    all.push(...page.versions);
    path = page.next;
  }
  if (session.json) {
    session.terminal.print(JSON.stringify({ versions: all }));
    return;
  }
  const rows = all.map(({ version, made_at, made_by, note }) => [
    String(version),
    made_at ?? "",
    actorText(made_by),
    printable(note),
  ]);
  session.terminal.print(table(["VERSION", "SET", "BY", "NOTE"], rows));
}

async function restore(session: Session, version: number, dryRun: boolean): Promise<void> {
  const { client, signal } = session;
  const current = await readPolicy(session);
  if (dryRun) {
    const path = `${POLICIES}/versions/${version}`;
    const { access, content } = await client.call({ method: "GET", path }, POLICY_VIEW, signal);
    await showPreview(session, current.version, { access, content });
    return;
  }
  const path = `${POLICIES}/versions/${version}/restore`;
  const headers = ifVersion(current.version);
  showChanged(session, await client.call({ method: "POST", path, headers }, POLICY_VIEW, signal));
}

async function showPreview(session: Session, version: number, body: unknown): Promise<void> {
  const preview = await previewPolicy(session, version, body);
  session.terminal.print(session.json ? JSON.stringify(preview) : previewText(preview));
}

function showChanged({ terminal, json }: Session, policy: PolicyView): void {
  terminal.print(json ? JSON.stringify(policy) : `version ${policy.version} is in force`);
}

function versionNumber(given: string): number {
  const number = /^[1-9]\d{0,9}$/.test(given) ? Number(given) : Number.NaN;
  if (number <= 2 ** 31 - 1) return number;
  throw new InvalidArgumentError("must be the number of a version.");
}
