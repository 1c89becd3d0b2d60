import { z } from "zod";
import type { Explained } from "../cache/explain.ts";
import { formatDuration } from "../domain/duration.ts";
import type { CisternError } from "../domain/errors.ts";
import type { FetchWindow } from "../domain/fetch-window.ts";
import { maskUrl } from "../domain/location.ts";
import type { Ruled } from "../domain/policy/content-rules.ts";
import { urlParts } from "../domain/policy/url-parts.ts";
import { problemOf } from "./problem.ts";
import { bytes, shownTime } from "./wire-fields.ts";

const decision = z.object({ rule: z.string(), mode: z.enum(["cache", "proxy", "redirect", "deny"]) });
const ruled = <T extends z.ZodType>(value: T) => z.object({ value, rule: z.string() });
const window = z.object({
  from: z.string(),
  to: z.string(),
  days: z.array(z.string()),
  time_zone: z.string(),
});
const objection = z.object({ status: z.int(), code: z.string(), reason: z.string() });

export const explanationShape = z
  .object({
    /** Of the policy. */
    version: z.int().min(0),
    access: decision.extend({ matching: z.array(decision) }),
    content: z.object({
      require: ruled(z.string()),
      verify: ruled(z.string()),
      prefetch: ruled(z.union([z.string(), window])).nullable(),
      pin_for: ruled(z.string()).nullable(),
      min_age: ruled(z.string()).nullable(),
      max_age: ruled(z.string()).nullable(),
      max_size: ruled(bytes).nullable(),
      on_full: ruled(z.string()),
      revalidate_every: ruled(z.string()).nullable(),
    }),
    /** Names of all content rules that match, in order. */
    content_rules: z.array(z.string()),
    /** When a prefetch could begin. */
    prefetch_at: shownTime.nullable(),
    origin: z
      .object({
        scheme: z.string(),
        host: z.string(),
        port: z.int(),
        path: z.string(),
        /** Secrets in it masked. */
        url: z.string(),
        set_by: z.enum(["admin", "member"]),
        redirectable: z.boolean(),
        /** Name of the origin's secret; there is none yet. */
        secret: z.string().nullable(),
        /** Null: not for the caller to learn. */
        address: z
          .object({
            allowed: z.boolean(),
            code: z.string().nullable(),
            reason: z.string().nullable(),
            addresses: z.array(z.object({ address: z.string(), allowed: z.boolean() })),
          })
          .nullable(),
      })
      .nullable(),
    mirrors: z.array(
      z.object({ blob: z.string(), url: z.string(), permitted: z.boolean(), objection: objection.nullable() }),
    ),
    cached: z.object({ sha256: z.string(), size: bytes, admitted_at: shownTime }).nullable(),
    outcome: z.object({
      would: z.enum(["hit", "follow", "fill", "redirect", "denied"]),
      /** Where a redirect leads. */
      url: z.string().nullable(),
      /** Why a redirect that the access rule asks for does not take place. */
      not_redirected: z.string().nullable(),
      /** Another replica fetches it: a fill would read along with it. */
      elsewhere: z.boolean(),
      /** What a fill would wait for, half a minute each at most: its turn among others, room in the cache. */
      waits_for: z.array(z.enum(["turn", "room"])),
      /** Whether a fill would keep what it fetches; null: it is no fill. */
      kept: z.boolean().nullable(),
      denial: objection.nullable(),
    }),
  })
  .meta({ id: "PolicyExplanation" });

export function explanationView(explained: Explained) {
  const { version, access, resolved, location, mirrors, address } = explained;
  const { object, size, admittedAt } = resolved.content ?? {};
  return {
    version,
    access,
    content: contentView(explained),
    content_rules: explained.contentRules,
    prefetch_at: explained.prefetchAt?.toISOString() ?? null,
    origin:
      location === undefined
        ? null
        : {
            ...urlParts(location.url),
            url: maskUrl(location.url),
            set_by: location.setBy,
            redirectable: explained.redirectable,
            secret: null,
            address:
              address === undefined ? null : { ...address, code: address.code ?? null, reason: address.reason ?? null },
          },
    mirrors: mirrors.map(({ ref, url, objection: why }) => ({
      blob: ref.key === "" ? ref.field : `${ref.field}/${ref.key}`,
      url: maskUrl(url),
      permitted: why === undefined,
      objection: why === undefined ? null : objectionView(why),
    })),
    cached:
      object === undefined || size === undefined || admittedAt === undefined
        ? null
        : { sha256: object.sha256, size, admitted_at: admittedAt.toISOString() },
    outcome: outcomeView(explained),
  };
}

function outcomeView({ outcome }: Explained) {
  const { would } = outcome;
  return {
    would,
    url: would === "redirect" ? outcome.url : null,
    not_redirected: would === "redirect" || would === "denied" ? null : (outcome.condition ?? null),
    elsewhere: would === "fill" && outcome.elsewhere,
    waits_for: would === "fill" ? outcome.waitsFor : [],
    kept: would === "fill" ? outcome.kept : null,
    denial: would === "denied" ? objectionView(outcome.error) : null,
  };
}

function objectionView(error: CisternError) {
  const { status, code, detail } = problemOf(error);
  return { status, code, reason: detail };
}

function contentView({ content }: Explained) {
  const { require, verify, onFull, maxSize, prefetch } = content;
  return {
    require,
    verify,
    prefetch: prefetch === undefined ? null : { rule: prefetch.rule, value: prefetchView(prefetch.value) },
    pin_for: timeView(content.pinFor),
    min_age: timeView(content.minAge),
    max_age: timeView(content.maxAge),
    max_size: maxSize ?? null,
    on_full: onFull,
    revalidate_every: timeView(content.revalidateEvery),
  };
}

function prefetchView(prefetch: "on-register" | FetchWindow) {
  if (prefetch === "on-register") return prefetch;
  const { from, to, days, timeZone } = prefetch;
  return { from, to, days, time_zone: timeZone };
}

function timeView(time: Ruled<number> | undefined): Ruled<string> | null {
  return time === undefined ? null : { rule: time.rule, value: formatDuration(time.value) };
}
