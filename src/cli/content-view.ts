import { z } from "zod";
import { formatBytes } from "../config/bytes.ts";
import { actorText } from "./actor-text.ts";
import type { Session } from "./session.ts";
import { factLines, printable, table } from "./table.ts";

const PIN = z.looseObject({ reason: z.string(), until: z.string().nullish(), by: z.string() });
const BLOCK = z.looseObject({ reason: z.string(), blocked_by: z.string(), blocked_at: z.string() });

/** Content as `/v1/contents` shows it. */
export const CONTENT = z.looseObject({
  sha256: z.string(),
  size: z.number(),
  state: z.string(),
  hits: z.number(),
  project: z.string().nullish(),
  origin: z.string().nullish(),
  artifact_name: z.string().nullish(),
  internal_blobs: z.number(),
  object: z.string(),
  admitted_at: z.string(),
  last_read_at: z.string(),
  scrubbed_at: z.string().nullish(),
  irreplaceable_since: z.string().nullish(),
  pin: PIN.nullish(),
  block: BLOCK.nullish(),
});
export type Content = z.infer<typeof CONTENT>;

export const CONTENT_DETAILS = CONTENT.extend({
  hot: z.boolean(),
  referrers: z.array(
    z.looseObject({
      artifact: z.string(),
      name: z.string(),
      project: z.string(),
      field: z.string(),
      key: z.string().nullish(),
      internal: z.boolean(),
    }),
  ),
  more_referrers: z.boolean(),
});

export const BLOCK_VIEW = BLOCK.extend({ sha256: z.string() });

/** All pages of a list behind this path, or the first so many entries. */
export async function readAll<T>(
  { client, signal }: Session,
  first: string,
  plural: string,
  entry: z.ZodType<T>,
  most = Number.POSITIVE_INFINITY,
): Promise<readonly T[]> {
  const shape = z.looseObject({ [plural]: z.array(entry), next: z.string().nullish() });
  const found: T[] = [];
  for (let path: string | null | undefined = first; path && found.length < most; ) {
    const page: Record<string, unknown> = await client.call({ method: "GET", path }, shape, signal);
    found.push(...z.array(entry).parse(page[plural]));
    path = z.string().nullish().parse(page.next);
  }
  return found.slice(0, most);
}

export function contentTable(contents: readonly Content[]): string {
  const header = ["SHA256", "NAME", "SIZE", "STATE", "KEPT", "HITS", "LAST READ", "PROJECT", "ORIGIN"];
  return table(header, contents.map(rowOf));
}

/** As a person reads it, one fact a line. */
export function contentText(content: z.infer<typeof CONTENT_DETAILS>): string {
  const { pin, block, referrers } = content;
  const facts: readonly (readonly [string, string])[] = [
    ["sha256", content.sha256],
    ["size", `${formatBytes(content.size)} (${content.size} bytes)`],
    ["state", content.state],
    ["hits", String(content.hits)],
    ["admitted", content.admitted_at],
    ["last read", content.last_read_at],
    ["last scrubbed", content.scrubbed_at ?? "never"],
    ["project", printable(content.project ?? "-")],
    ["origin", printable(content.origin ?? "-")],
    ["object", content.object],
    ...(content.hot ? [["local copy", "in this replica's hot tier"] as const] : []),
    [
      "pinned",
      pin == null ? "no" : `${printable(pin.reason)}, until ${pin.until ?? "it is unpinned"}, by ${actorText(pin.by)}`,
    ],
    [
      "blocked",
      block == null ? "no" : `${printable(block.reason)}, since ${block.blocked_at}, by ${actorText(block.blocked_by)}`,
    ],
    ["irreplaceable", content.irreplaceable_since == null ? "no" : `since ${content.irreplaceable_since}`],
  ];
  const lines = factLines(facts);
  const rows = referrers.map(({ artifact, name, project, field, key, internal }) => [
    artifact,
    printable(name),
    printable(project),
    key == null ? field : `${field}/${printable(key)}`,
    internal ? "internal" : "external",
  ]);
  const more = content.more_referrers ? ["and more"] : [];
  return [...lines, "", table(["ARTIFACT", "NAME", "PROJECT", "BLOB", "KIND"], rows), ...more].join("\n");
}

function rowOf(content: Content): readonly string[] {
  const { sha256, artifact_name: name, size, state, hits, last_read_at, project, origin } = content;
  const shown = content.block == null ? state : `${state}, blocked`;
  return [
    sha256,
    printable(name ?? "-"),
    formatBytes(size),
    shown,
    keptBy(content),
    String(hits),
    last_read_at,
    printable(project ?? "-"),
    printable(origin ?? "-"),
  ];
}

/** Why it is not evicted. */
function keptBy({ internal_blobs, pin, irreplaceable_since }: Content): string {
  if (internal_blobs > 0) return "uploaded";
  if (pin != null) return "pinned";
  return irreplaceable_since == null ? "-" : "irreplaceable";
}
