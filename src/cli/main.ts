import { readFileSync } from "node:fs";
import { type Command, CommanderError } from "commander";
import { z } from "zod";
import { isCisternError } from "../domain/errors.ts";
import { EXIT, Failure, failureAsJson, failureAsText } from "./failure.ts";
import { buildProgram } from "./program.ts";
import { processTerminal } from "./terminal.ts";

const terminal = processTerminal();

// `cistern ls | head`: a reader that has enough is no error worth a word.
process.stdout.on("error", (error) => {
  if (!("code" in error && error.code === "EPIPE")) throw error;
  terminal.exit(EXIT.failed);
});

const program = buildProgram(readVersion(), terminal);
try {
  await program.parseAsync(process.argv);
} catch (error) {
  const failure = asFailure(error);
  if (failure !== undefined) {
    if (process.argv.includes("--json")) terminal.print(JSON.stringify(failureAsJson(failure)));
    else terminal.note(failureAsText(failure));
    terminal.exit(failure.details.exit);
  }
}

/** Every way to fail, in one form; undefined: nothing to tell of, as when help was asked for. */
function asFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error;
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return undefined;
    const message = error.message.replace(/^error: /, "");
    const hint = `${commandOf(process.argv.slice(2))} --help tells more`;
    return new Failure(message === "(outputHelp)" ? "no command was given" : message, {
      exit: EXIT.usage,
      code: "usage",
      hint,
    });
  }
  if (isCisternError(error)) {
    const { code, fields } = error;
    if (code !== "invalid-config") return new Failure(error.message, { exit: EXIT.failed, code, fields, cause: error });
    const message = fields.length === 0 ? error.message : "the configuration is not valid";
    return new Failure(message, { exit: EXIT.usage, code, fields, cause: error });
  }
  if (error instanceof Error && "code" in error && "syscall" in error) {
    // `cistern audit export | head`: as above.
    if (error.code === "EPIPE" && error.syscall === "write") return undefined;
    const { code, path } = z.object({ code: z.string(), path: z.string().optional() }).parse(error);
    const where = path === undefined ? "" : ` ${path}`;
    return new Failure(`cannot ${String(error.syscall)}${where} (${code})`, {
      exit: EXIT.failed,
      code: "file-failed",
      ...(code === "ENOENT" ? { hint: "is its directory there?" } : {}),
      cause: error,
    });
  }
  throw error;
}

/** The command that was meant, as far as its words are known. */
function commandOf(words: readonly string[]): string {
  let command: Command = program;
  const names = ["cistern"];
  for (const word of words) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) continue;
    command = next;
    names.push(word);
  }
  return names.join(" ");
}

function readVersion(): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(manifest)).version;
}
