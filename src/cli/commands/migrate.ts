import type { Command } from "commander";
import { loadPlace } from "../../config/place.ts";
import { EXIT, Failure } from "../failure.ts";
import type { Terminal } from "../terminal.ts";

export function defineMigrate(program: Command, terminal: Terminal): void {
  program
    .command("migrate")
    .description("bring the schema of DATABASE_URL up to date, as every start does, without a start")
    .action(async (_options: unknown, command: Command) => {
      const json = command.optsWithGlobals<{ json?: boolean }>().json === true;
      const place = loadPlace(terminal.environment);
      // Only here: the other commands need no database.
      const { migrateDatabase } = await import("../../local.ts");
      const signal = terminal.interruption();
      const onApply = (name: string) => json || terminal.note(`applying ${name}`);
      const applied = await migrateDatabase(place, { onApply, signal }).catch((cause: unknown) => {
        if (!signal.aborted) throw cause;
        throw new Failure("interrupted", { exit: EXIT.interrupted, code: "interrupted", cause });
      });
      terminal.print(json ? JSON.stringify({ applied }) : summary(applied));
    });
}

function summary(applied: readonly string[]): string {
  if (applied.length === 0) return "the schema is up to date";
  return `the schema is up to date: ${applied.length === 1 ? "1 migration" : `${applied.length} migrations`} applied`;
}
