import { sql } from "drizzle-orm";
import type { ArtifactId } from "../../../src/domain/artifact.ts";
import type { ArtifactQuery } from "../../../src/domain/artifact-catalog.ts";
import type { AuditFilter } from "../../../src/domain/audit-catalog.ts";
import type { BlobId } from "../../../src/domain/blob.ts";
import type { ContentFilter, ContentOrder } from "../../../src/domain/content-inventory.ts";
import { type Sha256, sha256 } from "../../../src/domain/digest.ts";
import type { FillListQuery } from "../../../src/domain/fill-queue.ts";
import type { TaskFilter, TaskId } from "../../../src/domain/tasks.ts";
import type { TokenId } from "../../../src/domain/token.ts";
import { COMMON_NAME, LARGE_OWNER, ROWS, SMALL_OWNER } from "./seed.ts";
import type { WatchedCatalog } from "./watched.ts";

/** One page of one list. */
export interface Case {
  readonly list: string;
  readonly name: string;
  run(): Promise<unknown>;
}

const LIMIT = 100;
const NOTHING = "of nobody";
const DEEP = 5_001;

/** Every list that there is, by every filter and order, from the beginning and from deep inside. */
export async function casesOf(watched: WatchedCatalog): Promise<readonly Case[]> {
  return [
    ...(await artifactCases(watched)),
    ...(await contentCases(watched)),
    ...(await auditCases(watched)),
    ...(await fillCases(watched)),
    ...(await taskCases(watched)),
    ...(await tokenCases(watched)),
    ...(await jobCases(watched)),
  ];
}

type Named<T> = readonly (readonly [string, T])[];

async function artifactCases(watched: WatchedCatalog): Promise<readonly Case[]> {
  const types = [undefined, "images", "murano_packages"];
  const viewers = [undefined, LARGE_OWNER, SMALL_OWNER, NOTHING];
  const filters: Named<Partial<ArtifactQuery>> = [
    ["all", {}],
    ["a common name", { name: COMMON_NAME }],
    [
      "a common name, deactivated, of one who has few",
      { name: COMMON_NAME, status: "deactivated", owner: SMALL_OWNER },
    ],
    ["a name", { name: "image-17" }],
    ["of one who has many", { owner: LARGE_OWNER }],
    ["of one who has few", { owner: SMALL_OWNER }],
    ["deactivated", { status: "deactivated" }],
    ["drafted, public", { status: "drafted", visibility: "public" }],
    ["private", { visibility: "private" }],
    // Of a common tag there is no list: queries of prefetches alone ask for tags, and count once.
    ["a rare tag", { tag: "rare" }],
    ["a rare tag, deactivated", { tag: "rare", status: "deactivated" }],
    ["no such tag", { tag: NOTHING }],
  ];
  const marker = (await idOf(watched, "artifacts", "artifact")) as ArtifactId;
  return types.flatMap((type) =>
    viewers.flatMap((visibleTo) =>
      filters.flatMap(([name, filter]) =>
        [{}, { marker }].map((from) => ({
          list: "artifacts",
          name: [name, type ?? "every type", `seen by ${visibleTo ?? "an admin"}`, ...Object.keys(from)].join(", "),
          run: () => watched.catalog.artifacts.list({ type, visibleTo, ...filter, limit: LIMIT, ...from }),
        })),
      ),
    ),
  );
}

async function contentCases(watched: WatchedCatalog): Promise<readonly Case[]> {
  const orders: Named<string> = [
    ["sha256", "sha256"],
    ["size", "size"],
    ["last_read", "last_read_at"],
    ["admitted", "admitted_at"],
  ];
  const artifact = (await idOf(watched, "artifacts", "artifact")) as ArtifactId;
  const filters: Named<ContentFilter> = [
    ["all", {}],
    ["admitted", { state: "admitted" }],
    ["condemned", { state: "condemned" }],
    ["quarantined", { state: "quarantined" }],
    ["pinned", { pinned: true }],
    ["not pinned", { pinned: false }],
    ["blocked", { blocked: true }],
    ["not blocked", { blocked: false }],
    ["irreplaceable", { irreplaceable: true }],
    ["internal", { internal: true }],
    ["not internal", { internal: false }],
    ["of a project with many", { project: LARGE_OWNER }],
    ["of a project with few", { project: SMALL_OWNER }],
    ["of no such project", { project: NOTHING }],
    ["of an origin with many", { origin: "host-0.example" }],
    ["of an origin with few", { origin: "host-150.example" }],
    ["large", { minSize: 4_999_000_000 }],
    ["small", { maxSize: 2_000_000 }],
    ["not large", { minSize: 2_000_000_000 }],
    ["long unread", { readBefore: new Date("2026-02-01T03:00:00Z") }],
    ["read lately", { readAfter: new Date("2026-02-11T09:00:00Z") }],
    ["of an artifact", { artifact }],
    ["quarantined, of a project with few", { state: "quarantined", project: SMALL_OWNER }],
    ["pinned, large, long unread", { pinned: true, minSize: 4_000_000_000, readBefore: new Date("2026-02-02") }],
    ["internal, of an origin with few, small", { internal: true, origin: "host-150.example", maxSize: 10_000_000 }],
    ["large, long unread", { minSize: 4_990_000_000, readBefore: new Date("2026-02-01T03:00:00Z") }],
  ];
  const cursors = new Map<string, { sha256: Sha256; place: string }>();
  for (const [order, column] of orders) {
    const [row] = await watched.query((db) =>
      db.execute<{ sha256: string; place: string }>(
        sql.raw(
          `select sha256, ${column}::text as place from contents order by ${column}, sha256 offset ${ROWS / 2} limit 1`,
        ),
      ),
    );
    if (row !== undefined) cursors.set(order, { sha256: sha256(row.sha256), place: row.place });
  }
  return orders.flatMap(([order]) =>
    [false, true].flatMap((descending) =>
      filters.flatMap(([name, filter]) =>
        [undefined, cursors.get(order)].map((after) => ({
          list: "contents",
          name: [name, order, descending ? "down" : "up", ...(after === undefined ? [] : ["after"])].join(", "),
          run: () =>
            watched.catalog.inventory.list({ filter, order: order as ContentOrder, descending, limit: LIMIT, after }),
        })),
      ),
    ),
  );
}

async function auditCases({ catalog }: WatchedCatalog): Promise<readonly Case[]> {
  const filters: Named<AuditFilter> = [
    ["all", {}],
    ["changes", { kind: "change" }],
    ["requests that left", { kind: "egress" }],
    ["an action", { action: "artifact.create" }],
    ["actions by prefix", { action: "artifact.*" }],
    ["no such action", { action: "policy.*" }],
    ["an object", { object: "artifacts/images/17" }],
    ["objects by prefix", { object: "artifacts/images/4*" }],
    ["no such object", { object: "policies/*" }],
    ["an actor who did much", { actor: "actor-0" }],
    ["an actor who did little", { actor: "actor-900" }],
    ["a project", { project: SMALL_OWNER }],
    ["an address", { address: "10.0.0.7" }],
    ["old", { to: new Date("2026-01-01T02:00:00Z") }],
    ["new", { from: new Date("2026-01-03T16:00:00Z") }],
    ["changes of one project, by prefix", { kind: "change", project: SMALL_OWNER, action: "artifact.*" }],
    ["requests of an actor to an object", { kind: "egress", actor: "actor-900", object: "artifacts/images/17" }],
    ["an address and a rare action", { address: "10.0.0.7", action: "artifact.create" }],
  ];
  const after = { at: new Date("2026-01-01T03:00:00Z"), id: DEEP };
  return filters.flatMap(([name, filter]) =>
    [undefined, after].map((from) => ({
      list: "audit",
      name: from === undefined ? name : `${name}, after`,
      run: () => catalog.auditRows.list(filter, from, LIMIT),
    })),
  );
}

async function fillCases(watched: WatchedCatalog): Promise<readonly Case[]> {
  const artifact = await idOf(watched, "artifacts", "artifact");
  const filters: Named<Omit<FillListQuery, "limit">> = [
    ["all", { states: [] }],
    ["queued", { states: ["queued"] }],
    ["failed", { states: ["failed"] }],
    ["running", { states: ["running"] }],
    ["running or queued", { states: ["running", "queued"] }],
    ["done", { states: ["done"] }],
    ["of demand", { states: [], kind: "demand" }],
    ["of a project with many", { states: [], project: LARGE_OWNER }],
    ["of a project with few", { states: [], project: SMALL_OWNER }],
    ["of an origin with few", { states: [], origin: "host-150.example" }],
    ["of no such origin", { states: [], origin: NOTHING }],
    ["of no such replica", { states: [], replica: NOTHING }],
    ["parts of nothing", { states: [], parent: NOTHING as never }],
    ["of an artifact", { states: [], artifact }],
    [
      "failed, of an origin with few, of a project with few",
      { states: ["failed"], origin: "host-150.example", project: SMALL_OWNER },
    ],
  ];
  const [row] = await watched.query((db) =>
    db.execute<{ after: string }>(sql`
      select (extract(epoch from created_at) * 1000000)::bigint || '_' || id as after from fills
      order by created_at desc, id desc offset ${ROWS / 2} limit 1`),
  );
  return filters.flatMap(([name, filter]) =>
    [{}, { after: row?.after ?? "" }].map((from) => ({
      list: "fills",
      name: [name, ...Object.keys(from)].join(", "),
      run: () => watched.catalog.fillQueue.list({ ...filter, limit: LIMIT, ...from }),
    })),
  );
}

async function taskCases(watched: WatchedCatalog): Promise<readonly Case[]> {
  const after = (await idOf(watched, "tasks", "task")) as TaskId;
  const filters: Named<TaskFilter> = [
    ["purges", { kinds: ["purge"] }],
    ["scrubs", { kinds: ["scrub", "verify"] }],
    ["queued purges", { kinds: ["purge"], state: "queued" }],
    ["running scrubs", { kinds: ["scrub", "verify"], state: "running" }],
    ["failed scrubs", { kinds: ["scrub", "verify"], state: "failed" }],
    ["parts", { kinds: ["scrub-hot"], parent: after }],
  ];
  return filters.flatMap(([name, filter]) =>
    [undefined, after].map((from) => ({
      list: "tasks",
      name: from === undefined ? name : `${name}, after`,
      run: () => watched.catalog.tasks.list(filter, LIMIT, from),
    })),
  );
}

async function tokenCases(watched: WatchedCatalog): Promise<readonly Case[]> {
  const after = (await idOf(watched, "tokens", "token")) as TokenId;
  return [undefined, after].map((from) => ({
    list: "tokens",
    name: from === undefined ? "all" : "all, after",
    run: () => watched.catalog.tokens.list(LIMIT, from),
  }));
}

/** What background jobs read, a page at a time. */
async function jobCases(watched: WatchedCatalog): Promise<readonly Case[]> {
  const { care, contents, policyScan, inventory, blobSearch } = watched.catalog;
  const half = sha256("8".repeat(64));
  const blob = (await idOf(watched, "blobs", "blob")) as BlobId;
  const scrubbed = { scrubbedAt: "2026-03-01 12:00:00+00", sha256: half };
  const runs: Named<() => Promise<unknown>> = [
    ["to scrub", () => care.toScrub(new Date("2026-03-02"), undefined, LIMIT)],
    ["to scrub, after", () => care.toScrub(new Date("2026-03-02"), scrubbed, LIMIT)],
    ["quarantined", () => care.quarantined(LIMIT)],
    ["condemned", () => contents.condemned(LIMIT, { graceMs: 30_000, spareOpen: true })],
    ["records for a policy, after", () => policyScan.records(blob, LIMIT)],
    ["contents for a policy, after", () => policyScan.contents(half, LIMIT)],
    ["who refers to a content", () => inventory.referrers(half, LIMIT)],
    ["artifacts at a URL", () => blobSearch.artifactsAt("https://host-0.example/images/1.qcow2", undefined)],
  ];
  return runs.map(([name, run]) => ({ list: "what jobs work on", name, run }));
}

async function idOf(watched: WatchedCatalog, table: string, prefix: string): Promise<string> {
  const [row] = await watched.query((db) =>
    db.execute<{ id: string }>(sql`
      select id from ${sql.identifier(table)} where id = md5(${`${prefix}${DEEP}`})::uuid::text collate "C"`),
  );
  if (row === undefined) throw new Error(`the seed made no ${table}`);
  return row.id;
}
