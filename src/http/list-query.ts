import type { ArtifactStatus, Visibility } from "../domain/artifact.ts";
import type { ArtifactQuery } from "../domain/artifact-catalog.ts";
import { parseArtifactId } from "../domain/artifact-id.ts";
import { invalid } from "../domain/errors.ts";
import { FieldProblems, shortName } from "../domain/field-problems.ts";
import { parseText } from "../domain/text.ts";

const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 1000;
const STATUSES: readonly ArtifactStatus[] = ["drafted", "active", "deactivated"];
const VISIBILITIES: readonly Visibility[] = ["private", "public"];
const FILTERS: ReadonlySet<string> = new Set(["limit", "marker", "name", "status", "visibility", "owner"]);

/** The query of a list of artifacts; `invalid-input` names every parameter that is not as it must be. */
export function parseListQuery(parameters: URLSearchParams): Omit<ArtifactQuery, "type" | "visibleTo"> {
  const problems = new FieldProblems();
  const given = singleParameters(parameters, FILTERS, problems);
  const take = <T>(name: string, parse: (text: string, field: string) => T): T | undefined => {
    const text = given.get(name);
    return text === undefined ? undefined : problems.take(() => parse(text, `query.${name}`));
  };
  const limit = take("limit", parseLimit) ?? DEFAULT_LIMIT;
  const marker = take("marker", (text, field) => {
    const id = parseArtifactId(text);
    if (id === undefined) throw invalid(field, "must be a UUID");
    return id;
  });
  const name = take("name", (text, field) => parseText(text, field, { min: 1, max: 255 }));
  const owner = take("owner", (text, field) => parseText(text, field, { min: 1, max: 255 }));
  const status = take("status", (text, field) => parseOneOf(STATUSES, text, field));
  const visibility = take("visibility", (text, field) => parseOneOf(VISIBILITIES, text, field));
  problems.throwIfAny();
  return {
    limit,
    ...(marker === undefined ? {} : { marker }),
    ...(name === undefined ? {} : { name }),
    ...(owner === undefined ? {} : { owner }),
    ...(status === undefined ? {} : { status }),
    ...(visibility === undefined ? {} : { visibility }),
  };
}

/** Each parameter once, and none that is not known. */
function singleParameters(
  parameters: URLSearchParams,
  known: ReadonlySet<string>,
  problems: FieldProblems,
): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (!known.has(name)) problems.add(`query.${shortName(name)}`, "is not a parameter of this list");
    else if (given.has(name)) problems.add(`query.${name}`, "must be given once");
    else given.set(name, value);
  }
  return given;
}

/** Entries of a page. */
function parseLimit(text: string, field: string): number {
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > MAX_LIMIT) throw invalid(field, `must be a whole number from 1 to ${MAX_LIMIT}`);
  return limit;
}

function parseOneOf<T extends string>(values: readonly T[], text: string, field: string): T {
  const value = values.find((one) => one === text);
  if (value === undefined) throw invalid(field, `must be one of ${values.join(", ")}`);
  return value;
}
