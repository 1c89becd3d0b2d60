import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { ADMIN_TOKEN_FILE } from "../config/config.ts";
import type { Environment } from "../config/env.ts";
import { EXIT, Failure } from "./failure.ts";

/** The token of a command, and where it came from, so that an error can say where to look. */
export interface Credential {
  readonly token: string | undefined;
  readonly from: string;
  /** Where this machine's own Cistern keeps the generated admin token. */
  readonly adminTokenFile: string;
}

/**
 * The token: `--token`, `CISTERN_TOKEN`, the file of `CISTERN_TOKEN_FILE`, else the admin token of
 * the data directory. That last one goes to a server on this machine only: a URL that names another
 * host must not draw it out.
 */
export function findCredential(given: string | undefined, url: URL, environment: Environment): Credential {
  const adminTokenFile = resolve(environment.CISTERN_DATA_DIR || "./data", ADMIN_TOKEN_FILE);
  if (given !== undefined) return { token: checked(given, "--token"), from: "--token", adminTokenFile };
  const { CISTERN_TOKEN: plain, CISTERN_TOKEN_FILE: file } = environment;
  if (plain) return { token: checked(plain, "CISTERN_TOKEN"), from: "CISTERN_TOKEN", adminTokenFile };
  if (file) return { token: checked(readToken(file), file), from: file, adminTokenFile };
  if (!isThisMachine(url)) return { token: undefined, from: "nowhere", adminTokenFile };
  const own = readAdminToken(adminTokenFile);
  return { token: own, from: own === undefined ? "nowhere" : adminTokenFile, adminTokenFile };
}

function isThisMachine(url: URL): boolean {
  return url.hostname === "localhost" || url.hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(url.hostname);
}

function checked(text: string, from: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Failure(`the token from ${from} is empty or has characters that no token has`, {
    exit: EXIT.usage,
    code: "invalid-token",
  });
}

function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Failure(`cannot read the token file ${file}`, { exit: EXIT.usage, code: "invalid-token", cause });
  }
}

/** undefined when there is none, or it is not ours to read: then the server's 401 says what to do. */
function readAdminToken(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "EACCES" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
