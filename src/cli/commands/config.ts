import type { Command } from "commander";
import { loadConfig } from "../../config/config.ts";
import { describeConfig } from "../../config/describe.ts";
import { table } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export function defineConfig(program: Command, terminal: Terminal): void {
  program
    .command("config")
    .description("show what is in force for a server that is started here, and where each setting comes from")
    .action((_options: unknown, command: Command) => {
      const config = loadConfig(terminal.environment);
      const settings = describeConfig(config);
      if (command.optsWithGlobals<{ json?: boolean }>().json === true) {
        const plain = settings.map(({ variable, value, source }) => [variable, { value, source }]);
        terminal.print(JSON.stringify({ kind: config.kind, settings: Object.fromEntries(plain) }));
        return;
      }
      const rows = settings.map(({ variable, text, source, meaning }) => [variable, text, source, meaning]);
      terminal.print(table(["VARIABLE", "VALUE", "FROM", "MEANING"], rows));
    });
}
