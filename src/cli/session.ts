import type { Command } from "commander";
import { CLIENT_URL } from "../config/variables.ts";
import { ApiClient } from "./api-client.ts";
import { findCredential } from "./credential.ts";
import { EXIT, Failure } from "./failure.ts";
import type { Terminal } from "./terminal.ts";

/** What a command that speaks to a server works with. */
export interface Session {
  readonly client: ApiClient;
  readonly terminal: Terminal;
  /** Machine output on stdout. */
  readonly json: boolean;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Opens what the options that all commands share ask for. */
export function openSession(command: Command, terminal: Terminal): Session {
  const options = command.optsWithGlobals<{ url?: string; token?: string; json?: boolean }>();
  const url = parseServerUrl(options.url ?? (terminal.environment.CISTERN_URL || CLIENT_URL));
  const credential = findCredential(options.token, url, terminal.environment);
  return {
    client: new ApiClient(url, credential),
    terminal,
    json: options.json === true,
    signal: terminal.interruption(),
  };
}

function parseServerUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:") && url.search === "") return url;
  throw new Failure(`"${text}" is not the URL of a server`, {
    exit: EXIT.usage,
    code: "invalid-url",
    hint: `it looks like ${CLIENT_URL} (--url or CISTERN_URL)`,
  });
}
