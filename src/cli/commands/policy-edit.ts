import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { EXIT, Failure, failureAsText } from "../failure.ts";
import { parsePolicyFile, previewPolicy, putPolicy, readPolicy } from "../policy-client.ts";
import { previewText } from "../policy-text.ts";
import type { Session } from "../session.ts";

const HELP = `// The policy of this Cistern: lines that begin with // are not sent.
//
// access:  asked at each request; the first rule that matches decides, and the last one is built in.
//          mode: cache | proxy (keeps nothing) | redirect (sends the client to the origin) | deny
//          match: clients (CIDRs), principal {tokens, projects, roles}, digests,
//                 artifact {types, names, tags, projects, visibility}, origin {schemes, hosts, ports, paths}
// content: asked when something is fetched or kept; each field comes from the first rule that sets it.
//          match: artifact, origin, size {min, max}
//          require: none | checksum            verify: on-register | on-first-read
//          prefetch: "on-register" or {from, to, days, time_zone}
//          pin_for, min_age, max_age, revalidate_every: P30D, PT12H     max_size: bytes
//          on_full: pass | queue | reject
// In hosts and paths * stops at . and /, and ** at nothing.
`;

/**
 * Opens the policy in an editor, shows what would change, asks, and puts it in force unless somebody
 * else has replaced it meanwhile. What was written stays in its file unless it is in force.
 */
export async function editPolicy(session: Session): Promise<void> {
  const { terminal, signal } = session;
  if (!terminal.interactive || session.json) {
    throw new Failure("edit needs a terminal", {
      exit: EXIT.usage,
      code: "no-terminal",
      hint: "cistern policy show --json > FILE, change it, and cistern policy apply FILE",
    });
  }
  const { version, access, content } = await readPolicy(session);
  const before = `${HELP}${JSON.stringify({ access, content }, undefined, 2)}\n`;
  const file = join(await mkdtemp(join(tmpdir(), "cistern-policy-")), `policy-of-version-${version}.json`);
  await writeFile(file, before, { mode: 0o600 });
  for (;;) {
    await openEditor(session, file);
    const text = await readFile(file, "utf8");
    if (text === before) {
      await rm(dirname(file), { recursive: true });
      terminal.note("nothing was changed");
      return;
    }
    try {
      await offer(session, version, parsePolicyFile(text, "it"), file);
      return;
    } catch (error) {
      if (!(error instanceof Failure) || !MENDABLE.has(error.details.code)) throw keptIn(file, error);
      terminal.note(failureAsText(error));
      if (!/^(y|yes|)$/i.test((await terminal.ask("edit it again? [Y/n] ", signal)).trim())) throw keptIn(file, error);
    }
  }
}

/** Faults of the text itself. */
const MENDABLE: ReadonlySet<string> = new Set(["invalid-json", "invalid-input", "unknown-field"]);

async function offer(session: Session, version: number, document: unknown, file: string): Promise<void> {
  const { terminal, signal } = session;
  terminal.note("comparing it with what is cached …");
  terminal.note(previewText(await previewPolicy(session, version, document)));
  const answer = await terminal.ask("\nput it in force, everywhere? [y/N] ", signal);
  if (!/^(y|yes)$/i.test(answer.trim())) {
    terminal.note(`nothing was changed; your text is kept in ${file}`);
    return;
  }
  const { version: written } = await putPolicy(session, version, document);
  await rm(dirname(file), { recursive: true });
  terminal.print(`version ${written} is in force`);
}

async function openEditor({ terminal }: Session, file: string): Promise<void> {
  const { VISUAL, EDITOR } = terminal.environment;
  const editor = VISUAL || EDITOR || "vi";
  // Through a shell, for it may have arguments: EDITOR="code --wait".
  const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
  const [code] = await once(child, "close");
  if (code === 0) return;
  const hint = `set VISUAL or EDITOR; your text is kept in ${file}`;
  throw new Failure(`the editor (${editor}) ended with ${code}`, { exit: EXIT.failed, code: "editor-failed", hint });
}

function keptIn(file: string, error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  const hint = `your text is kept in ${file}: cistern policy apply takes it`;
  return new Failure(error.message, {
    ...error.details,
    hint: error.details.hint ? `${error.details.hint}\n  ${hint}` : hint,
  });
}
