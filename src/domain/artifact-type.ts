import type { FieldValue } from "./artifact.ts";
import type { Algorithm } from "./digest.ts";
import { invalid } from "./errors.ts";
import { parseText } from "./text.ts";

/** What values a field takes. */
export type ValueRule =
  | { readonly kind: "text"; readonly max: number; readonly oneOf?: readonly string[] }
  | { readonly kind: "integer"; readonly min: number; readonly max: number };

/** A field of a type that is no blob. */
export interface FieldRule {
  readonly value: ValueRule;
  readonly requiredToActivate: boolean;
  /** May change after activation. */
  readonly mutable: boolean;
}

/** A field of a type that has bytes, or (`dict`) maps names to blobs. */
export interface BlobRule {
  readonly shape: "blob" | "dict";
  readonly requiredToActivate: boolean;
  /** Bytes may be uploaded; false: external locations only. */
  readonly uploads: boolean;
  /** The blob whose content the members of this dict must have too. */
  readonly mirrorsOf?: string;
  /** Members that a dict may have. */
  readonly maxMembers?: number;
}

/** The definition of an artifact type: data, so that another type needs no code. */
export interface ArtifactType {
  readonly name: string;
  readonly displayName: string;
  readonly fields: ReadonlyMap<string, FieldRule>;
  readonly blobs: ReadonlyMap<string, BlobRule>;
  /** Digests that are computed of uploads besides sha256 and what is recorded: its clients verify them. */
  readonly digests: readonly Algorithm[];
}

/** Parses a value that a caller gave for a field; null unsets it. */
export function parseFieldValue(rule: ValueRule, value: unknown, field: string): FieldValue {
  if (value === null) return null;
  if (rule.kind === "integer") {
    const fits = typeof value === "number" && Number.isInteger(value) && value >= rule.min && value <= rule.max;
    if (!fits) throw invalid(field, `must be an integer from ${rule.min} to ${rule.max}`);
    return value;
  }
  const text = parseText(value, field, { min: 1, max: rule.max });
  if (rule.oneOf !== undefined && !rule.oneOf.includes(text)) {
    throw invalid(field, `must be one of ${rule.oneOf.join(", ")}`);
  }
  return text;
}
