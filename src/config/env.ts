import { readFileSync } from "node:fs";
import type { FieldProblem } from "../domain/errors.ts";
import { nearestName } from "./nearest-name.ts";
import type { VariableName } from "./variables.ts";
import { CLIENT_VARIABLES, CLUSTER_VARIABLES, isVariableName, SECRET_NAMES, VARIABLE_NAMES } from "./variables.ts";

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
  /** What is wrong with names and files; values are judged by the parser. */
  readonly problems: readonly FieldProblem[];
}

/**
 * Picks Cistern's variables out of an environment. An empty variable counts as unset, as compose
 * files and unit files produce them. Reads the files that `_FILE` forms name.
 */
export function readEnvironment(environment: Environment): RawEnvironment {
  const settings = new Map<VariableName, RawSetting>();
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
      if (read.rule === undefined) settings.set(secret, { value: read.value, source: "file" });
      else problems.push({ field: name, rule: read.rule });
    }
  }
  return { settings, problems };
}

function isForeign(name: string): boolean {
  if (CLIENT_VARIABLES.some((known) => known === name)) return true;
  return !name.startsWith("CISTERN_") && !isClusterVariable(name);
}

function isClusterVariable(name: string): boolean {
  return CLUSTER_VARIABLES.some((known) => name === known || name === `${known}_FILE`);
}

function ruleForUnknown(name: string): string {
  if (isClusterVariable(name)) {
    return "belongs to cluster mode, which is not in this version: unset it to run embedded";
  }
  const meant = nearestName(name, [...VARIABLE_NAMES, ...SECRET_NAMES.map((secret) => `${secret}_FILE`)]);
  return meant === undefined ? "is not a variable of Cistern" : `is not a variable of Cistern: did you mean ${meant}?`;
}

type SecretFile = { readonly value: string; readonly rule?: undefined } | { readonly rule: string };

function readSecretFile(path: string): SecretFile {
  try {
    const value = readFileSync(path, "utf8").trim();
    return value === "" ? { rule: `names an empty file (${path})` } : { value };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    return { rule: `names a file that cannot be read (${path}: ${code})` };
  }
}
