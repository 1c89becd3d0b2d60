import { readFileSync } from "node:fs";
import type { FieldProblem } from "../domain/errors.ts";
import { nearestName } from "./nearest-name.ts";
import type { VariableName } from "./variables.ts";
import { CLIENT_VARIABLES, isVariableName, SECRET_NAMES, VARIABLE_NAMES } from "./variables.ts";

/** Environment variables as a process has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a setting comes from: the variable, the file that its `_FILE` form names, or nowhere. */
export type SettingSource = "environment" | "file" | "default";

export interface RawSetting {
  readonly value: string;
  readonly source: SettingSource;
}

export interface RawEnvironment {
  readonly settings: ReadonlyMap<VariableName, RawSetting>;
  /** Variables that are meant to be set, but whose file gave no value: `problems` says why. */
  readonly unread: ReadonlySet<VariableName>;
  /** What is wrong with names and files; values are judged by the parser. */
  readonly problems: readonly FieldProblem[];
}

const FILE_NAMES = SECRET_NAMES.map((name) => `${name}_FILE`);

/**
 * Picks Cistern's variables out of an environment. An empty variable counts as unset, as compose
 * files and unit files produce them. Reads the files that `_FILE` forms name.
 */
export function readEnvironment(environment: Environment): RawEnvironment {
  const settings = new Map<VariableName, RawSetting>();
  const unread = new Set<VariableName>();
  const problems: FieldProblem[] = [];
  for (const [name, text] of Object.entries(environment)) {
    const value = text?.trim() ?? "";
    if (value === "" || isForeign(name)) continue;
    if (isVariableName(name)) {
      settings.set(name, { value, source: "environment" });
      continue;
    }
    const secret = SECRET_NAMES.find((known) => name === `${known}_FILE`);
    if (secret === undefined) {
      problems.push({ field: name, rule: ruleForUnknown(name) });
    } else if ((environment[secret]?.trim() ?? "") !== "") {
      problems.push({ field: name, rule: `must not be set together with ${secret}` });
    } else {
      const read = readSecretFile(value);
      if (read.rule === undefined) {
        settings.set(secret, { value: read.value, source: "file" });
      } else {
        unread.add(secret);
        problems.push({ field: name, rule: read.rule });
      }
    }
  }
  return { settings, unread, problems };
}

function isForeign(name: string): boolean {
  if (CLIENT_VARIABLES.some((known) => known === name)) return true;
  return !name.startsWith("CISTERN_") && !isVariableName(name) && !FILE_NAMES.includes(name);
}

function ruleForUnknown(name: string): string {
  const known = [...VARIABLE_NAMES, ...FILE_NAMES];
  // Not every name begins as the others do: DATABASE_URL does not.
  const bare = name.replace(/^CISTERN_/, "");
  const meant = known.includes(bare) ? bare : nearestName(name, known);
  return meant === undefined ? "is not a variable of Cistern" : `is not a variable of Cistern: did you mean ${meant}?`;
}

type SecretFile = { readonly value: string; readonly rule?: undefined } | { readonly rule: string };

/** The rules do not quote the path: it may be the secret itself, set under the wrong name. */
function readSecretFile(path: string): SecretFile {
  try {
    const value = readFileSync(path, "utf8").trim();
    return value === "" ? { rule: "names an empty file" } : { value };
  } catch (error) {
    return { rule: `names a file that cannot be read (${codeOf(error)})` };
  }
}

/** The system's name of what went wrong: ENOENT, EACCES. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unreadable";
}
