import { z } from "zod";
import { formatDuration, parseDuration } from "../domain/duration.ts";
import { parseBytes } from "./bytes.ts";
import { isPrivateCidr, parseCidr, parseHostPattern, parseListen } from "./network.ts";
import type { VariableName } from "./variables.ts";

/** RFC 6750 §2.1: what fits a Bearer header, and comes through percent-decoding unchanged. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
const MINUTE = 60_000;

/** A text that `parse` takes, else the rule. */
function parsed<T>(parse: (text: string) => T | undefined, rule: string) {
  return z.string().transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: "custom", message: rule });
    return z.NEVER;
  });
}

function bytes(least: number) {
  return parsed((text) => {
    const value = parseBytes(text);
    return value !== undefined && value >= least ? value : undefined;
  }, `must be bytes (1048576) or a size with a unit (10GiB, 500MB), at least ${least}`).optional();
}

/** Milliseconds, from `least` to a week: timers count to 24 days. */
function duration(fallback: string, least: number) {
  const most = 7 * 24 * 60 * MINUTE;
  return parsed(
    (text) => {
      const value = parseDuration(text);
      return value !== undefined && value >= least && value <= most ? value : undefined;
    },
    `must be an ISO 8601 duration (PT30S, PT5M) from ${formatDuration(least)} to P7D`,
  ).prefault(fallback);
}

/** A comma-separated list; every broken item is told. */
function list(parse: (item: string) => { readonly item: string } | { readonly rule: string }) {
  return z
    .string()
    .transform((text, context): readonly string[] => {
      const items: string[] = [];
      for (const part of text.split(",").map((piece) => piece.trim())) {
        if (part === "") continue;
        const answer = parse(part);
        if ("item" in answer) items.push(answer.item);
        else context.addIssue({ code: "custom", message: answer.rule });
      }
      return context.issues.length === 0 ? [...new Set(items)] : z.NEVER;
    })
    .prefault("");
}

function cidr(item: string): { readonly item: string } | { readonly rule: string } {
  const answer = parseCidr(item);
  return "rule" in answer ? answer : { item: answer.cidr };
}

function privateCidr(item: string): { readonly item: string } | { readonly rule: string } {
  const answer = cidr(item);
  if ("rule" in answer || isPrivateCidr(answer.item)) return answer;
  return { rule: `"${item}" is not inside a private or loopback range (public addresses need no entry)` };
}

function hostPattern(item: string): { readonly item: string } | { readonly rule: string } {
  const pattern = parseHostPattern(item);
  return pattern === undefined
    ? { rule: `"${item}" is not a host, *.suffix or host:port (no scheme, no path)` }
    : { item: pattern };
}

function parsePublicUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const plain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  if (!plain || (url.protocol !== "http:" && url.protocol !== "https:")) return undefined;
  return url.href.replace(/\/+$/, "");
}

function parseToken(text: string): string | undefined {
  return text.length >= 16 && text.length <= 512 && TOKEN.test(text) ? text : undefined;
}

function oneOf<const T extends readonly string[]>(values: T, fallback: T[number]) {
  return z.enum(values, `must be one of ${values.join(", ")}`).default(fallback);
}

/** Text of the variables → values. The rules are what an operator reads when one is broken. */
export const settingsSchema = z
  .object({
    CISTERN_LISTEN: parsed(parseListen, "must be host:port, an IPv6 address in brackets ([::1]:8080)").prefault(
      "127.0.0.1:8080",
    ),
    CISTERN_DATA_DIR: z
      .string()
      .refine((text) => !text.includes("\0"), "must not contain a NUL")
      .default("./data"),
    CISTERN_ADMIN_TOKEN: parsed(
      parseToken,
      "must be 16 to 512 letters, digits or . _ ~ + / - (make one with: openssl rand -hex 32)",
    ).optional(),
    CISTERN_CACHE_BYTES: bytes(0),
    CISTERN_SPOOL_BYTES: bytes(64 * 2 ** 20),
    CISTERN_MAX_UPLOAD_BYTES: bytes(0),
    CISTERN_MAX_CONNECTIONS: parsed(
      (text) => (/^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined),
      "must be a whole number from 1 to 999999",
    ).prefault("4096"),
    CISTERN_MODE: oneOf(["cache", "proxy", "redirect"], "cache"),
    CISTERN_REDIRECT_HOSTS: list(hostPattern),
    CISTERN_ORIGIN_ALLOW: list(privateCidr),
    CISTERN_ORIGIN_HOSTS: list(hostPattern),
    CISTERN_ANONYMOUS_READ: list(cidr),
    CISTERN_PUBLIC_URL: parsed(
      parsePublicUrl,
      "must be an http or https URL without user-info, query and fragment",
    ).optional(),
    CISTERN_CONNECT_TIMEOUT: duration("PT10S", 100),
    CISTERN_HEADERS_TIMEOUT: duration("PT30S", 100),
    CISTERN_STALL_TIMEOUT: duration("PT30S", 100),
    CISTERN_CLIENT_IDLE_TIMEOUT: duration("PT60S", 100),
    CISTERN_DRAIN_TIME: duration("PT30S", 0),
    CISTERN_HOUSEKEEP_INTERVAL: duration("PT5M", 100),
    CISTERN_LOG_LEVEL: oneOf(["trace", "debug", "info", "warn", "error", "fatal", "silent"], "info"),
  } satisfies Record<VariableName, z.ZodType>)
  .refine((settings) => settings.CISTERN_MODE !== "redirect" || settings.CISTERN_REDIRECT_HOSTS?.length !== 0, {
    path: ["CISTERN_REDIRECT_HOSTS"],
    message: "must name at least one host when CISTERN_MODE is redirect",
    // Also when other variables are broken: every mistake is told at once.
    when: () => true,
  });

export type Settings = z.output<typeof settingsSchema>;
