import { Command } from "commander";
import { CLIENT_URL } from "../config/variables.ts";
import { defineAdd } from "./commands/add.ts";
import { defineAudit } from "./commands/audit.ts";
import { defineCache } from "./commands/cache.ts";
import { defineCapacity } from "./commands/capacity.ts";
import { defineConfig } from "./commands/config.ts";
import { defineFill } from "./commands/fill.ts";
import { defineGet } from "./commands/get.ts";
import { defineLs } from "./commands/ls.ts";
import { defineMigrate } from "./commands/migrate.ts";
import { defineMigrateTo } from "./commands/migrate-to.ts";
import { definePolicy } from "./commands/policy.ts";
import { defineQuota } from "./commands/quota.ts";
import { defineRebuild } from "./commands/rebuild.ts";
import { defineRm } from "./commands/rm.ts";
import { defineServe } from "./commands/serve.ts";
import { defineToken } from "./commands/token.ts";
import type { Terminal } from "./terminal.ts";

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found, 4 not allowed,
5 server not reached, 6 bytes do not match their record, 78 serve cannot start as configured,
130 interrupted.`;

/** The whole command line. Errors are thrown, never printed: commander's own too. */
export function buildProgram(version: string, terminal: Terminal): Command {
  const program = new Command("cistern")
    .description("Pulls artifacts through once, verifies them, and serves them from its cache.")
    .version(version)
    .option("--url <url>", `the server (env CISTERN_URL, default ${CLIENT_URL})`)
    .option(
      "--token <token>",
      "the token (env CISTERN_TOKEN or CISTERN_TOKEN_FILE; default: the admin token in this folder's data directory)",
    )
    .option("--json", "machine-readable output on stdout, errors too")
    .addHelpText("after", EXIT_CODES)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeErr: () => undefined, writeOut: (text) => terminal.print(text.trimEnd()) });
  const records = [defineAdd, defineGet, defineLs, defineRm, defineToken];
  const operators = [defineAudit, defineCache, defineCapacity, defineFill, definePolicy, defineQuota];
  const upkeep = [defineMigrate, defineMigrateTo, defineRebuild];
  for (const define of [defineServe, defineConfig, ...records, ...operators, ...upkeep]) define(program, terminal);
  return program;
}
