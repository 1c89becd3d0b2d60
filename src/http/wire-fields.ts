import { z } from "zod";
import { parseDuration } from "../domain/duration.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import { parseText, type TextRule } from "../domain/text.ts";

/** JSON Schema (2020-12) of a value, as far as the document tells it. */
export type JsonShape = Readonly<Record<string, unknown>>;

/** What the document says of values that are parsed into something else. */
export const shapes = z.registry<{ readonly json: JsonShape }>();

/** A value of this JSON Schema that is not parsed any further; with an id it is a component of the document. */
export function shaped(json: JsonShape, id?: string): z.ZodType<unknown, unknown> {
  const schema = id === undefined ? z.unknown() : z.unknown().meta({ id });
  return schema.register(shapes, { json });
}

/** The root that `parsed` names fields by, so that it can tell where below it a rule was broken. */
const ROOT = "\u0000";

/**
 * A value that a parser of the domain takes: what it refuses with `invalid-input` is told at its field.
 * @param json what the document says of it
 */
export function parsed<T>(json: JsonShape, parse: (value: unknown, field: string) => T): z.ZodType<T, unknown> {
  const schema = z.unknown().transform((value, context): T => {
    try {
      if (value === undefined) throw invalid(ROOT, "is required");
      return parse(value, ROOT);
    } catch (error) {
      if (!(error instanceof CisternError) || error.code !== "invalid-input") throw error;
      for (const { field, rule } of error.fields) {
        const path = field.split(".").filter((part) => part !== ROOT);
        context.issues.push({ code: "custom", message: rule, input: value, path });
      }
      return z.NEVER;
    }
  });
  return shapes.has(schema) ? schema : schema.register(shapes, { json });
}

/** A text of one line, as every text that is kept: without control characters, well-formed. */
export function text(rule: TextRule): z.ZodType<string, unknown> {
  const { min = 0, max, lines = false } = rule;
  const json = { type: "string", minLength: min, maxLength: max, pattern: lines ? NO_CONTROL_BUT_LINES : NO_CONTROL };
  return parsed(json, (value, field) => parseText(value, field, rule));
}

const NO_CONTROL = "^[^\\u0000-\\u001f\\u007f]*$";
const NO_CONTROL_BUT_LINES = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$";

/** An origin as contents and fills name theirs: a host, with its port where that is not its scheme's. */
export function originName(): z.ZodType<string, unknown> {
  return parsed({ type: "string", minLength: 1, maxLength: 260, pattern: ORIGIN.source }, (value, field) => {
    if (typeof value === "string" && value.length <= 260 && ORIGIN.test(value)) return value.toLowerCase();
    throw invalid(field, "must be a host, with its port where that is not its scheme's: mirror.example:8080");
  });
}

const ORIGIN = /^[A-Za-z0-9_.:[\]-]+$/;

/** An ISO 8601 duration without years and months, in milliseconds. */
export function duration(): z.ZodType<number, unknown> {
  return parsed({ type: "string", maxLength: 64, pattern: DURATION }, (value, field) => {
    const milliseconds = typeof value === "string" && value.length <= 64 ? parseDuration(value) : undefined;
    if (milliseconds === undefined) throw invalid(field, "must be an ISO 8601 duration such as P30D or PT12H");
    return milliseconds;
  });
}

const DURATION =
  "^P(\\d{1,4}W|\\d{1,4}D|(\\d{1,4}D)?T(\\d{1,5}H(\\d{1,6}M)?(\\d{1,8}S)?|\\d{1,6}M(\\d{1,8}S)?|\\d{1,8}S))$";

/** An RFC 3339 time with a zone. */
export function instant(): z.ZodType<Date, unknown> {
  return parsed({ type: "string", format: "date-time", pattern: DATE_TIME.source }, (value, field) => {
    const written = typeof value === "string" && DATE_TIME.test(value);
    // JavaScript takes 30 February for 2 March.
    const time = written && z.iso.date().safeParse(value.slice(0, 10)).success ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(time)) throw invalid(field, "must be a time such as 2030-01-31T12:00:00Z");
    return new Date(time);
  });
}

// RFC 3339 §5.6
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/**
 * A whole number in a path or query, where everything is text.
 *
 * @param shape what the document says of it besides
 */
export function wholeNumber(min: number, max: number, shape: JsonShape = {}): z.ZodType<number, unknown> {
  return parsed({ type: "integer", minimum: min, maximum: max, ...shape }, (value, field) => {
    const number = typeof value === "string" && /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max && Number.isSafeInteger(number)) return number;
    throw invalid(field, `must be a whole number from ${min} to ${max}`);
  });
}

/** `true` or `false` in a query. */
export function flag(): z.ZodType<boolean, unknown> {
  return parsed({ type: "boolean" }, (value, field) => {
    if (value === "true" || value === "false") return value === "true";
    throw invalid(field, "must be true or false");
  });
}

/** The body of a request that has nothing more to say: none, or `{}`. */
export const nothing = z.strictObject({}).optional();

/** Bytes, in a body or an answer. */
export const bytes = z.int().min(0);

/** A time in an answer: UTC, milliseconds. */
export const shownTime = z.iso.datetime({ precision: 3 });
