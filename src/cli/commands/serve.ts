import type { Command } from "commander";
import type { Terminal } from "../terminal.ts";

export function defineServe(program: Command, terminal: Terminal): void {
  program
    .command("serve")
    .description("run the server, configured by CISTERN_* (the same as npm start)")
    .action(async () => {
      // Only here: the other commands need neither the database nor the server.
      const { run } = await import("../../main.ts");
      terminal.exit(await run(terminal.environment));
    });
}
