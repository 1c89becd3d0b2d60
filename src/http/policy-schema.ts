import { z } from "zod";
import { parseCidr } from "../domain/cidr.ts";
import { ALGORITHMS, type Algorithm, parseDigest } from "../domain/digest.ts";
import { parseDuration } from "../domain/duration.ts";
import { isCisternError } from "../domain/errors.ts";
import { DAYS } from "../domain/fetch-window.ts";
import { ACCESS_MODES, BUILT_IN, ON_FULL, VERIFY_TIMES } from "../domain/policy/document.ts";
import { MAX_GLOB, MAX_STARS } from "../domain/policy/glob.ts";
import { ROLES } from "../domain/principal.ts";
import { isTimeZone } from "../domain/zoned-time.ts";

const MAX_RULES = 500;
const MAX_BYTES = 256 * 1024;
const MAX_LIST = 64;
const MAX_DESCRIPTION = 1000;
const DAY_MS = 86_400_000;
const MAX_TIME_MS = 3650 * DAY_MS;
const MIN_REVALIDATE_MS = 60_000;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL = /[\u0000-\u001f\u007f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const CONTROL_BUT_LINES = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

function line(max: number) {
  return z
    .string()
    .min(1, "must not be empty")
    .max(max, `must be at most ${max} characters`)
    .refine((text) => !CONTROL.test(text) && text.isWellFormed(), "must not contain control characters");
}

/** A list that asks for something: an empty one would match nothing, or everything. */
function list<T extends z.ZodType>(item: T) {
  return z
    .array(item)
    .min(1, "must not be empty: leave it out to match all")
    .max(MAX_LIST, `must have at most ${MAX_LIST} entries`);
}

const few = (text: string) => (text.match(/\*+/g) ?? []).every((run) => run.length <= 2);
const glob = line(MAX_GLOB)
  .refine(few, "must have * and ** only, no longer run")
  .refine((text) => (text.match(/\*+/g) ?? []).length <= MAX_STARS, `must have at most ${MAX_STARS} of * and **`);

const HOST = /^(?:[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)*|\[[0-9a-f:.]+\])$/i;
const hostGlob = glob.refine(
  (text) => HOST.test(text) && (text.includes("*") || URL.canParse(`http://${text}/`)),
  "must be a host such as mirror.example, *.example or [2001:db8::1], without scheme, port and path; * stands for (a part of) one label, ** for any number of them",
);

// RFC 3986 §3.3; dot segments are resolved before anything is matched.
const PATH = /^(?:\/|\*\*)(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*$/;
const pathGlob = glob
  .refine((text) => PATH.test(text), "must be a path that begins with / or **, percent-encoded, without query")
  .refine((text) => !/(^|\/)\.{1,2}(\/|$)/.test(text), "must not have the segments . and ..");

const cidr = z
  .string()
  .max(64, "must be a CIDR")
  .superRefine((text, context) => {
    const answer = parseCidr(text);
    if (typeof answer === "string") context.addIssue({ code: "custom", message: answer });
  });

const digest = z
  .string()
  .max(200, "must be a digest")
  .refine((text) => parseRuleDigest(text) !== undefined, `must be ALGORITHM:HEX with one of ${ALGORITHMS.join(", ")}`);

/** `sha256:HEX`; undefined when the text is none. */
export function parseRuleDigest(text: string): { readonly algorithm: Algorithm; readonly hex: string } | undefined {
  const [name, hex = "", ...rest] = text.split(":");
  const algorithm = ALGORITHMS.find((one) => one === name);
  if (algorithm === undefined || rest.length > 0) return undefined;
  try {
    return { algorithm, hex: parseDigest(algorithm, hex, "digest") };
  } catch (error) {
    if (isCisternError(error, "invalid-input")) return undefined;
    throw error;
  }
}

function duration(least: number, words: string) {
  return z
    .string()
    .max(64, "must be an ISO 8601 duration")
    .refine((text) => {
      const value = parseDuration(text);
      return value !== undefined && value >= least && value <= MAX_TIME_MS;
    }, `must be an ISO 8601 duration such as P7D or PT10M, ${words}`);
}

const time = duration(1, "above zero and at most P3650D");
const size = z
  .int("must be a whole number of bytes")
  .min(0, "must not be negative")
  .max(Number.MAX_SAFE_INTEGER, "is too large");

const artifact = z.strictObject({
  types: list(z.string().regex(/^[a-z0-9_]{1,64}$/, "must be the name of an artifact type")).optional(),
  names: list(glob).optional(),
  tags: list(glob).optional(),
  projects: list(glob).optional(),
  visibility: z.enum(["private", "public"]).optional(),
});

const origin = z.strictObject({
  schemes: list(z.enum(["http", "https"])).optional(),
  hosts: list(hostGlob).optional(),
  ports: list(z.int().min(1).max(65_535)).optional(),
  paths: list(pathGlob).optional(),
});

const ruleHead = {
  name: line(100).refine((name) => name !== BUILT_IN, `must not be ${BUILT_IN}, which is the rule behind the last one`),
  description: z
    .string()
    .max(MAX_DESCRIPTION, `must be at most ${MAX_DESCRIPTION} characters`)
    .refine((text) => !CONTROL_BUT_LINES.test(text) && text.isWellFormed(), "must not contain control characters")
    .optional(),
};

const accessRule = z.strictObject({
  ...ruleHead,
  match: z
    .strictObject({
      principal: z
        .strictObject({
          tokens: list(line(64)).optional(),
          projects: list(glob).optional(),
          roles: list(z.enum(ROLES)).optional(),
        })
        .optional(),
      clients: list(cidr).optional(),
      artifact: artifact.optional(),
      origin: origin.optional(),
      digests: list(digest).optional(),
    })
    .optional(),
  mode: z.enum(ACCESS_MODES),
});

const NO_SIGNATURES = "signature: this version verifies no signatures, so it would refuse everything: use checksum";
const HOUR_MINUTE = /^([01]\d|2[0-3]):[0-5]\d$/;

const fetchWindow = z.strictObject({
  from: z.string().regex(HOUR_MINUTE, "must be a time of the day such as 22:00"),
  to: z.string().regex(HOUR_MINUTE, "must be a time of the day such as 06:00"),
  days: list(z.enum(DAYS)).optional(),
  time_zone: z.string().max(64).refine(isTimeZone, "must be the IANA name of a time zone, such as Europe/Berlin"),
});

const contentRule = z
  .strictObject({
    ...ruleHead,
    match: z
      .strictObject({
        artifact: artifact.optional(),
        origin: origin.optional(),
        size: z
          .strictObject({ min: size.optional(), max: size.optional() })
          .refine(({ min = 0, max }) => max === undefined || min <= max, "must have a min that is not above its max")
          .optional(),
      })
      .optional(),
    require: z
      .enum(["none", "checksum"], {
        error: ({ input }) => (input === "signature" ? NO_SIGNATURES : "must be none or checksum"),
      })
      .optional(),
    verify: z.enum(VERIFY_TIMES).optional(),
    prefetch: z
      .union([z.literal("on-register"), fetchWindow], {
        error: ({ input }) =>
          typeof input === "object" ? undefined : "must be on-register, or a window {from, to, days?, time_zone}",
      })
      .optional(),
    pin_for: time.optional(),
    min_age: time.optional(),
    max_age: time.optional(),
    max_size: size.optional(),
    on_full: z.enum(ON_FULL).optional(),
    revalidate_every: duration(MIN_REVALIDATE_MS, "at least PT1M and at most P3650D").optional(),
  })
  .refine(
    ({ min_age, max_age }) =>
      millisecondsOf(min_age) <= (max_age === undefined ? MAX_TIME_MS : millisecondsOf(max_age)),
    {
      path: ["min_age"],
      message: "must not be above max_age",
    },
  );

function millisecondsOf(text: string | undefined): number {
  return text === undefined ? 0 : (parseDuration(text) ?? 0);
}

/** Unique names, so that what names a rule names one. */
function rules<T extends z.ZodType<{ readonly name: string }>>(rule: T) {
  return z
    .array(rule)
    .max(MAX_RULES, `must have at most ${MAX_RULES} rules`)
    .superRefine((all, context) => {
      const seen = new Map<string, number>();
      for (const [index, { name }] of all.entries()) {
        const first = seen.get(name);
        if (first === undefined) seen.set(name, index);
        else
          context.addIssue({ code: "custom", path: [index, "name"], message: `is the name of rule ${first} as well` });
      }
    });
}

const fits = [
  (body: unknown) => new TextEncoder().encode(JSON.stringify(body)).length <= MAX_BYTES,
  `must be at most ${MAX_BYTES} bytes`,
] as const;

/** A policy's document on the wire, and as it is kept. */
const documentFields = { access: rules(accessRule), content: rules(contentRule) };
export const policyDocumentSchema = z.strictObject(documentFields).refine(...fits);

/** The same with what it is set for. */
export const policyBodySchema = z
  .strictObject({ ...documentFields, note: line(MAX_DESCRIPTION).optional() })
  .refine(...fits)
  .meta({ id: "PolicyRequest" });
export type WirePolicy = z.output<typeof policyDocumentSchema>;
export type WireAccessRule = z.output<typeof accessRule>;
export type WireContentRule = z.output<typeof contentRule>;
