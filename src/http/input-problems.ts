import type { z } from "zod";
import { CisternError, type FieldProblem } from "../domain/errors.ts";
import { FieldProblems, shortName } from "../domain/field-problems.ts";

/** Where a value was given; a field of the body is named without it. */
export type Place = "path" | "query" | "body";

type Issue = z.core.$ZodIssue;
type Failed = z.core.$ZodError;

const MAX_FIELDS = 20;

/** `invalid-input` for a path or query, with every broken rule. */
export function parametersError(error: Failed, place: Place): CisternError {
  return asInvalid(fieldProblems(error, place));
}

/** `unknown-field` when there is a field that is not known, else `invalid-input`; with every broken rule. */
export function bodyError(error: Failed): CisternError {
  const fields = fieldProblems(error, "body");
  const unknown = fields.filter(({ rule }) => rule === UNKNOWN.body);
  const [first] = unknown;
  if (first === undefined) return asInvalid(fields);
  return new CisternError("unknown-field", `${first.field}: ${first.rule}`, {
    fields: [...unknown, ...fields.filter((field) => !unknown.includes(field))].slice(0, MAX_FIELDS),
  });
}

function asInvalid(fields: readonly FieldProblem[]): CisternError {
  const problems = new FieldProblems();
  for (const { field, rule } of fields) problems.add(field, rule);
  try {
    problems.throwIfAny();
  } catch (error) {
    if (error instanceof CisternError) return error;
    throw error;
  }
  throw new TypeError("a schema refused its input and did not say why");
}

const UNKNOWN: Readonly<Record<Place, string>> = {
  path: "is not a parameter here",
  query: "is not a parameter here",
  body: "is not a field here",
};

/** The broken rules, one a field. */
export function fieldProblems({ issues }: Failed, place: Place): readonly FieldProblem[] {
  return issues.flatMap((issue) => problemsOf(issue, [], place));
}

function problemsOf(issue: Issue, above: readonly PropertyKey[], place: Place): readonly FieldProblem[] {
  const path = [...above, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({ field: nameOf([...path, key], place), rule: UNKNOWN[place] }));
  }
  if (issue.code === "invalid_union") {
    const nearest = nearestBranch(issue.errors);
    if (nearest !== undefined) return nearest.flatMap((one) => problemsOf(one, path, place));
  }
  return [{ field: nameOf(path, place), rule: issue.message }];
}

/** The value is not even of the branch's kind. */
const OTHER_KIND: ReadonlySet<Issue["code"]> = new Set(["invalid_type", "invalid_value"]);

/** The branch of a union that the input was meant for, as far as that shows; undefined: none more than others. */
function nearestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const within = branches.filter((issues) =>
    issues.every(({ path, code }) => path.length > 0 || !OTHER_KIND.has(code)),
  );
  return within.toSorted((a, b) => a.length - b.length)[0];
}

function nameOf(path: readonly PropertyKey[], place: Place): string {
  const name = path.map((part) => shortName(String(part))).join(".");
  if (place !== "body") return name === "" ? place : `${place}.${name}`;
  return name === "" ? "body" : shortName(name);
}

const TYPES: Readonly<Record<string, string>> = {
  string: "must be a string",
  number: "must be a number",
  int: "must be a whole number",
  boolean: "must be true or false",
  array: "must be a list",
  object: "must be a JSON object",
  record: "must be a JSON object",
  null: "must be null",
};

const FORMATS: Readonly<Record<string, string>> = {
  uuid: "must be a UUID",
  datetime: "must be a time such as 2030-01-31T12:00:00Z",
  url: "must be a URL",
};

/** Zod's issue as a rule in words; a schema that brings words of its own is taken at those. */
export const sayRule: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is required" : (TYPES[issue.expected] ?? `must be a ${issue.expected}`);
    case "too_small":
      return smallRule(issue.origin, Number(issue.minimum), issue.inclusive !== false);
    case "too_big":
      return bigRule(issue.origin, Number(issue.maximum), issue.inclusive !== false);
    case "invalid_format":
      return (
        FORMATS[issue.format] ??
        (issue.pattern === undefined ? `must be a ${issue.format}` : `must match ${issue.pattern}`)
      );
    case "invalid_value":
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.join(", ")}`;
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}`;
    case "invalid_union":
      return unionRule(issue.errors ?? [], Array.isArray(issue.options) ? issue.options : undefined);
    case "unrecognized_keys":
      return UNKNOWN.body;
    default:
      return "is not taken here";
  }
};

function smallRule(origin: string, least: number, inclusive: boolean): string {
  if (origin === "string") return least === 1 ? "must not be empty" : `must have at least ${least} characters`;
  if (COUNTED.has(origin)) return least === 1 ? "must have an entry" : `must have at least ${least} entries`;
  return inclusive ? `must be at least ${least}` : `must be more than ${least}`;
}

function bigRule(origin: string, most: number, inclusive: boolean): string {
  if (origin === "string") return `must be at most ${most} characters`;
  if (COUNTED.has(origin)) return `must have at most ${most} entries`;
  return inclusive ? `must be at most ${most}` : `must be less than ${most}`;
}

const COUNTED: ReadonlySet<string> = new Set(["array", "set", "map", "object", "record"]);

function unionRule(branches: readonly (readonly Issue[])[], options: readonly unknown[] | undefined): string {
  if (options !== undefined) return `must be one of ${options.join(", ")}`;
  const rules = branches.map((issues) => issues[0]?.message.replace(/^must be /, "") ?? "something else");
  return `must be ${[...new Set(rules)].join(" or ")}`;
}
