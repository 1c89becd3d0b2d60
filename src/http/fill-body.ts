import { z } from "zod";
import type { FillRequest, FillTarget } from "../artifact/ask-fill.ts";
import { parseArtifactId } from "../domain/artifact-id.ts";
import { invalid } from "../domain/errors.ts";
import { MAX_PRIORITY, PRIORITIES } from "../domain/fill-entry.ts";
import { duration, instant, parsed, text } from "./wire-fields.ts";

const NAMES = ["low", "normal", "high"] as const;
const name = () => text({ min: 1, max: 255 }).optional();

const artifactId = parsed({ type: "string", format: "uuid" }, (value, field) => {
  const id = typeof value === "string" ? parseArtifactId(value) : undefined;
  if (id === undefined) throw invalid(field, "must be the id of an artifact");
  return id;
});

const priority = parsed(
  { oneOf: [{ type: "integer", minimum: 0, maximum: MAX_PRIORITY }, { enum: NAMES }] },
  (value, field): number => {
    const named = NAMES.find((one) => one === value);
    if (named !== undefined) return PRIORITIES[named];
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MAX_PRIORITY) return value;
    throw invalid(field, `must be a whole number from 0 to ${MAX_PRIORITY}, or one of ${NAMES.join(", ")}`);
  },
);

const query = z
  .strictObject({
    type: name(),
    name: name(),
    owner: name(),
    visibility: z.enum(["private", "public"]).optional(),
    tag: name(),
  })
  .optional();

/** What `POST /v1/fills` takes: one of artifact, query and url. */
export const fillBody = z
  .strictObject({
    artifact: artifactId.optional(),
    /** Of the artifact: `field`, or `field/key`. */
    blob: text({ min: 1, max: 600 }).optional(),
    query,
    url: text({ min: 1, max: 4096 }).optional(),
    priority: priority.optional(),
    not_before: instant().optional(),
    deadline: instant().optional(),
    pin_for: duration().optional(),
  })
  .meta({ id: "FillRequest" });

/** `invalid-input` unless it names one thing to fetch. */
export function fillRequest(body: z.output<typeof fillBody>): FillRequest {
  return {
    target: targetOf(body),
    priority: body.priority,
    notBefore: body.not_before,
    deadline: body.deadline,
    pinFor: body.pin_for,
  };
}

function targetOf({ artifact, blob, query: asked, url }: z.output<typeof fillBody>): FillTarget {
  const given = [artifact, asked, url].filter((one) => one !== undefined);
  if (given.length !== 1) throw invalid("artifact", "must be given, or query, or url: one of them");
  if (blob !== undefined && artifact === undefined) throw invalid("blob", "must be left out without artifact");
  if (artifact !== undefined) return { artifact, blob: blob === undefined ? undefined : placeOf(blob) };
  if (url !== undefined) return { url };
  const set = Object.entries(asked ?? {}).filter(([, value]) => value !== undefined);
  return { query: Object.fromEntries(set) };
}

function placeOf(blob: string): { field: string; key: string } {
  const at = blob.indexOf("/");
  return at < 0 ? { field: blob, key: "" } : { field: blob.slice(0, at), key: blob.slice(at + 1) };
}
