import { accessSync, constants, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

// Debian keeps servers where only root's PATH looks.
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Where the program is, or undefined when this machine does not have it. `first` is looked into before all. */
export function findProgram(name: string, first: readonly string[] = []): string | undefined {
  const path = (process.env.PATH ?? "").split(delimiter);
  const directories = [...first, ...path, ...SYSTEM_DIRECTORIES, ...goDirectories()];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/**
 * Whether a test that needs the program can run; to be used as `test.skipIf(!requireProgram("nginx"))`.
 * With CI=true a missing program throws: there nothing is skipped.
 */
export function requireProgram(name: string): boolean {
  const found = findProgram(name) !== undefined;
  if (!found && process.env.CI === "true") throw new Error(`${name} is not installed, and with CI=true it must be`);
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Where `go install` puts programs. */
function goDirectories(): readonly string[] {
  const { GOBIN, GOPATH } = process.env;
  const paths = GOPATH === undefined || GOPATH === "" ? [join(homedir(), "go")] : GOPATH.split(delimiter);
  const bins = paths.map((path) => join(path, "bin"));
  return GOBIN === undefined || GOBIN === "" ? bins : [GOBIN, ...bins];
}
