import type { FieldValue } from "./artifact.ts";
import { type ArtifactType, parseFieldValue } from "./artifact-type.ts";
import { invalid } from "./errors.ts";
import { FieldProblems, shortName } from "./field-problems.ts";
import { parseVersion } from "./semver.ts";
import { parseText } from "./text.ts";

/** What a caller says of an artifact: parsed, within its limits. */
export interface ArtifactDraft {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** The type's own fields; those that are not set are left out. */
  readonly fields: Readonly<Record<string, FieldValue>>;
}

const MAX_NAME = 255;
const MAX_DESCRIPTION = 4096;
const MAX_ENTRIES = 255;
const MAX_METADATA_VALUE = 1024;

/** Members of an artifact that the server alone sets, or that only a PATCH changes. */
export const SYSTEM_MEMBERS: ReadonlySet<string> = new Set([
  "id",
  "type_name",
  "display_type_name",
  "owner",
  "visibility",
  "status",
  "created_at",
  "updated_at",
  "activated_at",
]);

/** The members that every type has, besides its own fields. */
export const COMMON_MEMBERS = ["name", "version", "description", "tags", "metadata"] as const;

/**
 * Parses what a caller says of an artifact of this type. Absent and null members are unset: only
 * the name has to be there. Throws one `invalid-input` with every broken rule.
 */
export function parseDraft(type: ArtifactType, body: unknown): ArtifactDraft {
  const members = parseObject(body, "body");
  const problems = new FieldProblems();
  const given = (name: string) => members.get(name) ?? undefined;
  for (const name of members.keys()) {
    const rule = refusal(type, name);
    if (rule !== undefined) problems.add(name, rule);
  }
  const name = problems.take(() => parseText(given("name"), "name", { min: 1, max: MAX_NAME }));
  const version = problems.take(() => parseVersion(given("version") ?? "0.0.0", "version"));
  const description = problems.take(() =>
    parseText(given("description") ?? "", "description", { max: MAX_DESCRIPTION, lines: true }),
  );
  const tags = problems.take(() => parseTags(given("tags") ?? []));
  const metadata = problems.take(() => parseMetadata(given("metadata") ?? {}));
  const fields = parseFields(type, members, problems);
  problems.throwIfAny();
  return {
    name: name ?? "",
    version: version ?? "",
    description: description ?? "",
    tags: tags ?? [],
    metadata: metadata ?? {},
    fields,
  };
}

/** The members of a JSON object that a caller gave. */
export function parseObject(value: unknown, field: string): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(field, "must be a JSON object");
  }
  return new Map(Object.entries(value));
}

function refusal(type: ArtifactType, name: string): string | undefined {
  if (type.blobs.has(name)) return "is a blob: set it with PUT on its own path";
  if (SYSTEM_MEMBERS.has(name)) return "is not the caller's to set here";
  const known = type.fields.has(name) || COMMON_MEMBERS.some((member) => member === name);
  return known ? undefined : `is not a field of ${type.name}`;
}

function parseFields(
  type: ArtifactType,
  members: ReadonlyMap<string, unknown>,
  problems: FieldProblems,
): Record<string, FieldValue> {
  const fields: [string, FieldValue][] = [];
  for (const [name, rule] of type.fields) {
    const value = problems.take(() => parseFieldValue(rule.value, members.get(name) ?? null, name));
    if (value !== undefined && value !== null) fields.push([name, value]);
  }
  return Object.fromEntries(fields);
}

function parseTags(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw invalid("tags", "must be a list of strings");
  if (value.length > MAX_ENTRIES) throw invalid("tags", `must have at most ${MAX_ENTRIES} entries`);
  const tags = value.map((tag: unknown, index) => {
    const text = parseText(tag, `tags.${index}`, { min: 1, max: MAX_NAME });
    if (/[,/]/.test(text)) throw invalid(`tags.${index}`, "must not contain a comma or a slash");
    return text;
  });
  return [...new Set(tags)];
}

function parseMetadata(value: unknown): Readonly<Record<string, string>> {
  const entries = [...parseObject(value, "metadata")];
  if (entries.length > MAX_ENTRIES) throw invalid("metadata", `must have at most ${MAX_ENTRIES} entries`);
  return Object.fromEntries(
    entries.map(([key, text]) => {
      parseText(key, "metadata", { min: 1, max: MAX_NAME });
      return [key, parseText(text, `metadata.${shortName(key)}`, { max: MAX_METADATA_VALUE, lines: true })];
    }),
  );
}
