import { invalid } from "./errors.ts";

export interface TextRule {
  /** Characters, at least; 0 when left out. */
  readonly min?: number;
  /** Characters, at most. */
  readonly max: number;
  /** Line breaks and tabs are taken. */
  readonly lines?: boolean;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\u0000-\u001f\u007f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL_BUT_LINES = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Parses a text that a caller gave. Control characters and lone surrogates are refused: no database keeps them. */
export function parseText(value: unknown, field: string, rule: TextRule): string {
  if (typeof value !== "string") throw invalid(field, "must be a string");
  const { min = 0, max } = rule;
  if (value.length < min)
    throw invalid(field, min === 1 ? "must not be empty" : `must have at least ${min} characters`);
  if (value.length > max) throw invalid(field, `must be at most ${max} characters`);
  if ((rule.lines === true ? CONTROL_BUT_LINES : CONTROL).test(value)) {
    throw invalid(field, "must not contain control characters");
  }
  if (!value.isWellFormed()) throw invalid(field, "must be well-formed Unicode");
  return value;
}
