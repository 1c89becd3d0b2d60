import { z } from "zod";
import type { EdgeContext } from "./caller.ts";
import { text, wholeNumber } from "./wire-fields.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
const MAX_CURSOR = 512;

/** The parameters of every list: `z.strictObject({ ...pageQuery, state: … })`. */
export const pageQuery = {
  /** Entries of a page. */
  limit: wholeNumber(1, MAX_LIMIT, { default: DEFAULT_LIMIT }).default(DEFAULT_LIMIT),
  /** Where the page before ended: what its `next` says. */
  after: text({ min: 1, max: MAX_CURSOR }).optional(),
};

/** The answer of a list: its entries under their plural, and the path of the next page. */
export function pageOf<N extends string, S extends z.ZodType>(plural: N, entry: S) {
  return z.object({ [plural]: z.array(entry), next: z.string().nullable() } as Record<N, z.ZodArray<S>> & {
    next: z.ZodNullable<z.ZodString>;
  });
}

/**
 * The path of the next page: this request's, after that cursor; null without one.
 * @param publicUrl how clients reach this deployment; undefined: a path
 */
export function nextPage(context: EdgeContext, after: string | undefined, publicUrl = ""): string | null {
  if (after === undefined) return null;
  const { pathname, searchParams } = new URL(context.req.url);
  searchParams.set("after", after);
  return `${publicUrl}${pathname}?${searchParams}`;
}
