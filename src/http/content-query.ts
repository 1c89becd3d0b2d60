import { z } from "zod";
import type { ArtifactId } from "../domain/artifact.ts";
import {
  CONTENT_ORDERS,
  CONTENT_STATES,
  type ContentCursor,
  type ContentFilter,
  type ContentOrder,
} from "../domain/content-inventory.ts";
import { parseDigest, type Sha256, sha256 } from "../domain/digest.ts";
import { invalid } from "../domain/errors.ts";
import { flag, instant, originName, parsed, text, wholeNumber } from "./wire-fields.ts";

const HEX = /^[0-9a-fA-F]{64}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A sha256 in a path, a query or a body. */
export const digestField = parsed({ type: "string", pattern: HEX.source }, (value, field): Sha256 => {
  if (typeof value !== "string") throw invalid(field, "must be a string");
  return sha256(parseDigest("sha256", value, field));
});

const artifactField = parsed({ type: "string", format: "uuid" }, (value, field): ArtifactId => {
  if (typeof value === "string" && UUID.test(value)) return value as ArtifactId;
  throw invalid(field, "must be the id of an artifact");
});

const name = text({ min: 1, max: 255 });

/** What contents a list shows, in a query. */
export const filterQuery = {
  state: z.enum(CONTENT_STATES).optional(),
  pinned: flag().optional(),
  blocked: flag().optional(),
  irreplaceable: flag().optional(),
  internal: flag().optional(),
  project: name.optional(),
  origin: originName().optional(),
  min_size: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional(),
  max_size: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional(),
  read_before: instant().optional(),
  read_after: instant().optional(),
  artifact: artifactField.optional(),
};

/** The same in a body. */
export const filterBody = z
  .strictObject({
    state: z.enum(CONTENT_STATES).optional(),
    pinned: z.boolean().optional(),
    blocked: z.boolean().optional(),
    irreplaceable: z.boolean().optional(),
    project: name.optional(),
    origin: originName().optional(),
    min_size: z.int().min(0).optional(),
    max_size: z.int().min(0).optional(),
    read_before: instant().optional(),
    read_after: instant().optional(),
    artifact: artifactField.optional(),
    all: z.literal(true).optional(),
  })
  .meta({ id: "ContentFilter" });

export const artifactBody = artifactField;

/** Members of `filterQuery` and `filterBody`, as they were parsed. */
interface Given {
  readonly state?: ContentFilter["state"];
  readonly pinned?: boolean | undefined;
  readonly blocked?: boolean | undefined;
  readonly irreplaceable?: boolean | undefined;
  readonly internal?: boolean | undefined;
  readonly project?: string | undefined;
  readonly origin?: string | undefined;
  readonly min_size?: number | undefined;
  readonly max_size?: number | undefined;
  readonly read_before?: Date | undefined;
  readonly read_after?: Date | undefined;
  readonly artifact?: ArtifactId | undefined;
}

export function filterOf(given: Given): ContentFilter {
  return {
    state: given.state,
    pinned: given.pinned,
    blocked: given.blocked,
    irreplaceable: given.irreplaceable,
    internal: given.internal,
    project: given.project,
    origin: given.origin,
    minSize: given.min_size,
    maxSize: given.max_size,
    readBefore: given.read_before,
    readAfter: given.read_after,
    artifact: given.artifact,
  };
}

const SORTS = CONTENT_ORDERS.flatMap((order) => [`${order}:asc`, `${order}:desc`] as const);

/** `size:desc` and the like. */
export const sortField = z.enum(SORTS).default("sha256:asc");

export function orderOf(sort: string): { readonly order: ContentOrder; readonly descending: boolean } {
  const order = CONTENT_ORDERS.find((one) => sort.startsWith(`${one}:`)) ?? "sha256";
  return { order, descending: sort.endsWith(":desc") };
}

/** A place in a list as `next` carries it. */
export function cursorText({ place, sha256: digest }: ContentCursor, order: ContentOrder): string {
  return Buffer.from(JSON.stringify([order, place, digest])).toString("base64url");
}

/** `invalid-input` for what `cursorText` did not make for this order. */
export function parseCursor(given: string | undefined, order: ContentOrder): ContentCursor | undefined {
  if (given === undefined) return undefined;
  const parts = CURSOR.safeParse(jsonOf(given));
  if (!parts.success) throw notOurs();
  const [of, place, digest] = parts.data;
  if (of !== order || !isPlace(order, place)) throw notOurs();
  return { place, sha256: sha256(digest) };
}

const CURSOR = z.tuple([z.enum(CONTENT_ORDERS), z.string().max(64), z.string().regex(/^[0-9a-f]{64}$/)]);
/** As Postgres writes a time. */
const TIME = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)([+-]\d\d)(?::?(\d\d))?$/;

function isPlace(order: ContentOrder, place: string): boolean {
  if (order === "sha256") return /^[0-9a-f]{64}$/.test(place);
  if (order === "size") return /^\d{1,18}$/.test(place);
  const [, day, time, zone, minutes = "00"] = TIME.exec(place) ?? [];
  return day !== undefined && !Number.isNaN(Date.parse(`${day}T${time}${zone}:${minutes}`));
}

function jsonOf(given: string): unknown {
  try {
    return JSON.parse(Buffer.from(given, "base64url").toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function notOurs() {
  return invalid("query.after", "must be what the next of a page in this order says");
}
