import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Catalog, catalogOver } from "../../src/catalog/catalog.ts";
import type { Database } from "../../src/catalog/database.ts";
import { highestFence, movableBytes, movableContents } from "../../src/catalog/movable-contents.ts";
import { moveRecords, stateOf } from "../../src/catalog/move-records.ts";
import { openDatabase } from "../../src/catalog/open-catalog.ts";
import { Session } from "../../src/catalog/session.ts";
import { ADMIN_TOKEN_ID, type TokenId, type TokenRecord } from "../../src/domain/token.ts";
import { someEntry } from "../conformance/audit-catalog.ts";
import { newFill } from "../conformance/fill-queue.ts";
import { catalogDirectories } from "./catalog-directory.ts";
import { describeOnPostgres } from "./postgres/server.ts";
import {
  activate,
  condemnedContent,
  fill,
  imageOf,
  located,
  mirrorOf,
  newArtifact,
  someContent,
  someLocation,
} from "./records.ts";

const never = new AbortController().signal;
/** What moves, by the tables that hold it. */
const MOVED = {
  artifacts: "artifacts",
  blobs: "blobs",
  blocks: "blocks",
  capacity: "capacity",
  checks: "location_checks",
  contents: "contents",
  fetched: "egress_use",
  fills: "fills",
  graves: "graves",
  jobs: "tasks",
  policies: "policies",
  quotas: "quotas",
  tokens: "tokens",
} as const;
/** Moves, beside what the target has of it. */
const ADDED = "audit";
/** What belongs to where it is. */
const STAYS = [
  "artifact_counts",
  "content_use",
  "deployment",
  "first_answers",
  "leases",
  "replicas",
  "reservations",
  "superseded",
];

describeOnPostgres("records of an embedded catalog, moved to Postgres", (server) => {
  const directories = catalogDirectories();
  let stack: AsyncDisposableStack;
  let from: Opened;
  let to: Opened;

  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    const directory = stack.use(await directories());
    from = open(stack, await openDatabase({ directory: directory.path }));
    to = open(stack, await openDatabase({ url: await server().createDatabase() }));
  });
  afterEach(() => stack.disposeAsync());

  const move = (leftOut: Parameters<typeof moveRecords>[2] = [], signal = never) =>
    moveRecords(from.session, to.session, leftOut, () => undefined, signal);

  test("are the same to the last digit, whatever is in them; a second time changes nothing", async () => {
    await fillCatalog(from);
    // No Date would keep it.
    await from.session.query((db) => db.execute(sql`update artifacts set created_at = '2024-02-29T01:02:03.456789Z'`));
    const before = await rowsOf(from.session);
    const counts = await move();
    expect(await rowsOf(to.session)).toEqual(before);
    const moved = Object.entries(before).map(([what, rows]) => [what, rows.length]);
    expect(counts).toEqual({ ...Object.fromEntries(moved), audit: 0 });
    // Nothing is the same for being nothing.
    expect(moved.filter(([, count]) => count === 0)).toEqual([]);
    expect(before.artifacts?.[0]).toContain(".456789");

    await from.catalog.artifacts.create(newArtifact());
    await move();
    expect(await move()).toEqual({ ...counts, artifacts: counts.artifacts + 1 });
    expect(await rowsOf(to.session)).toEqual(await rowsOf(from.session));
  });

  test("are more than one page, and what is gone from the source goes from the target", async () => {
    const ids = await Promise.all(
      Array.from({ length: 603 }, async () => (await from.catalog.artifacts.create(newArtifact())).id),
    );
    expect(await move()).toMatchObject({ artifacts: 603 });
    for (const id of ids.slice(0, 5)) await from.catalog.artifacts.remove(id);
    expect(await move()).toMatchObject({ artifacts: 598 });
    expect(await rowsOf(to.session)).toEqual(await rowsOf(from.session));
  });

  test("of every table: none is forgotten", async () => {
    const found = await to.session.query((db) =>
      db.execute<{ name: string }>(sql`select tablename as name from pg_tables where schemaname = 'public'`),
    );
    expect(found.map(({ name }) => name).sort()).toEqual([...Object.values(MOVED), ADDED, ...STAYS].sort());
  });

  test("with the audit, once, beside what the target has noted itself", async () => {
    const own = someEntry();
    const moving = Array.from({ length: 1_203 }, (_, n) => someEntry({ object: `thing/${n}` }));
    await from.catalog.auditRows.append(moving);
    await to.catalog.auditRows.append([own]);
    expect(await move()).toMatchObject({ audit: 1_203 });
    await move();
    const [{ n } = { n: "" }] = await to.session.query((db) =>
      db.execute<{ n: string }>(sql`select count(*) as n from audit`),
    );
    expect(Number(n)).toBe(1_204);
    expect(await to.catalog.auditRows.list({ object: "thing/7" }, undefined, 10)).toMatchObject([moving[7]]);
    await to.catalog.auditRows.append([someEntry()]);
  });

  test("prefetches that were under way wait again; what has ended stays", async () => {
    const { fillQueue, fillWork } = from.catalog;
    const [running, done] = [await fillQueue.add(newFill()), await fillQueue.add(newFill({ priority: 9 }))];
    const limits = { perOrigin: 9, perProject: 9 };
    expect((await fillWork.claim("prefetch", "one", limits, 60_000))?.id).toBe(done.fill.id);
    await fillWork.finish(done.fill.id, "one", { state: "done", bytes: 1 });
    await fillWork.claim("prefetch", "one", limits, 60_000);
    expect(await move()).toMatchObject({ fills: 1 });
    expect(await to.catalog.fillQueue.find(running.fill.id)).toMatchObject({ state: "queued", attempts: 1 });
    expect((await to.catalog.fillWork.claim("prefetch", "two", limits, 60_000))?.id).toBe(running.fill.id);
  });

  test("jobs that were under way are gone on with; what has ended stays, and so do parts", async () => {
    const { tasks } = from.catalog;
    const create = (kind: "purge" | "scrub") => tasks.create({ kind, query: { one: 1 }, createdBy: "admin" });
    const [scrub, done] = [await create("scrub"), await create("purge")];
    await tasks.create({ kind: "scrub-hot", query: {}, createdBy: "admin", parent: scrub.id, place: "there" });
    await tasks.claim("scrub", "one", "one#1", 60_000);
    await tasks.report(scrub.id, "one#1", { after_sha256: "ab" }, 60_000);
    await tasks.claim("purge", "one", "one#1", 60_000);
    await tasks.finish(done.id, "one#1", { state: "done", result: {} });
    const stopped = await create("purge");
    await tasks.claim("purge", "one", "one#1", 60_000);
    await tasks.cancel(stopped.id);
    expect(await move()).toMatchObject({ jobs: 2 });
    const { startedAt } = (await tasks.find(scrub.id)) ?? {};
    const claimed = await to.catalog.tasks.claim("scrub", "two", "two#1", 60_000);
    expect(claimed).toMatchObject({ id: scrub.id, startedAt, progress: { after_sha256: "ab" } });
    expect((await to.catalog.tasks.claim("purge", "two", "two#1", 60_000))?.id).toBe(stopped.id);
    expect(await to.catalog.tasks.report(stopped.id, "two#1", {}, 60_000)).toBe("cancel");
  });

  test("settings of capacity come along, but for what the disk of one machine has room for", async () => {
    const kept = { cacheBytes: 5, pinMaxBytes: 3, shares: [{ project: "blue", part: 0.5 }] };
    await from.catalog.capacity.replace({ ...kept, spoolBytes: 1 }, 1, "carol");
    await from.session.query((db) => db.execute(sql`update capacity set inflation = 57.25`));
    const before = await from.catalog.capacity.settings();
    expect(await move()).toMatchObject({ capacity: 1 });
    expect(await to.catalog.capacity.settings()).toEqual({ ...before, settings: kept });
    // What moves is worth no more there than here, beside what is fetched from now on.
    const [row] = await to.session.query((db) =>
      db.execute<{ inflation: number }>(sql`select inflation from capacity`),
    );
    expect(row?.inflation).toBe(57.25);
    expect((await from.catalog.capacity.settings()).settings.spoolBytes).toBe(1);
  });

  test("what a project has fetched today counts there, too", async () => {
    await from.catalog.quotas.change(() => [{ project: "blue", fetchedBytesPerDay: 10, concurrentFills: undefined }]);
    await from.catalog.quotas.charge("blue", 7, Infinity);
    await move();
    expect(await to.catalog.quotas.charge("blue", 4, Infinity)).toEqual({ admitted: false, used: 7, limit: 10 });
    expect(await to.catalog.quotas.charge("blue", 3, Infinity)).toMatchObject({ admitted: true, used: 10 });
  });

  test("all move, or none: an interruption leaves the target as it was", async () => {
    await fillCatalog(from);
    await move();
    const before = await rowsOf(to.session);
    await from.catalog.artifacts.create(newArtifact());
    const ending = new AbortController();
    const onRows = () => ending.abort(new Error("enough"));
    await expect(moveRecords(from.session, to.session, [], onRows, ending.signal)).rejects.toThrow("enough");
    expect(await rowsOf(to.session)).toEqual(before);
  });

  test("without their content: an external record fetches again, an upload keeps what its bytes must be", async () => {
    const [cached, uploaded, kept] = [someContent(), someContent(), someContent()];
    const external = await located(from.catalog);
    await fill(from.catalog, cached, external.blob);
    const { id } = await from.catalog.artifacts.create(newArtifact());
    for (const [ref, content] of [
      [imageOf({ id }), uploaded],
      [mirrorOf({ id }, "kept"), kept],
    ] as const) {
      const fence = await from.catalog.ledger.nextFence();
      await from.catalog.blobs.setUploaded(ref, { ...content, contentType: "text/plain", fence });
    }
    const counts = await move([cached.digests.sha256, uploaded.digests.sha256]);
    expect(counts).toMatchObject({ contents: 1, blobs: 3 });

    const again = await to.catalog.blobs.resolve(external.ref);
    expect(again).toMatchObject({ blob: { digests: cached.digests, size: cached.size }, content: undefined });
    expect(again?.blob.location?.kind).toBe("external");
    const lost = await to.catalog.blobs.resolve(imageOf({ id }));
    expect(lost).toMatchObject({ blob: { digests: uploaded.digests, location: undefined }, content: undefined });
    const there = await to.catalog.blobs.resolve(mirrorOf({ id }, "kept"));
    expect(there?.content?.object.sha256).toBe(kept.digests.sha256);
    // The same bytes, and no others, may be uploaded again.
    const fence = await to.catalog.ledger.nextFence();
    const other = to.catalog.blobs.setUploaded(imageOf({ id }), { ...someContent(), contentType: "text/plain", fence });
    await expect(other).rejects.toMatchObject({ code: "conflict" });
    await to.catalog.blobs.setUploaded(imageOf({ id }), { ...uploaded, contentType: "text/plain", fence });
  });

  test("tokens that were made in the target stay; the admin's is the configuration's", async () => {
    await from.catalog.tokens.put(token(ADMIN_TOKEN_ID), "a".repeat(64));
    await from.catalog.tokens.put(token("of-the-source"), "b".repeat(64));
    await to.catalog.tokens.put(token(ADMIN_TOKEN_ID), "c".repeat(64));
    await move();
    await to.catalog.tokens.put(token("of-the-target"), "d".repeat(64));
    expect(await move()).toMatchObject({ tokens: 1 });
    expect((await to.catalog.tokens.list(1_000, undefined)).map(({ id }) => id).sort()).toEqual([
      "of-the-source",
      "of-the-target",
    ]);
  });

  test("a catalog tells whether it holds anything, and whether a server was ever started on it", async () => {
    expect(await stateOf(to.session)).toEqual({ holds: false, started: false });
    await to.catalog.tokens.put(token(ADMIN_TOKEN_ID), "c".repeat(64));
    expect(await stateOf(to.session)).toEqual({ holds: false, started: true });
    const { id } = await to.catalog.artifacts.create(newArtifact());
    expect(await stateOf(to.session)).toEqual({ holds: true, started: true });
    await to.catalog.artifacts.remove(id);
  });

  test.each([
    ["a policy", ({ policies }: Catalog) => policies.replace(0, { document: "{}", madeBy: "carol", note: "" })],
    [
      "a quota",
      ({ quotas }: Catalog) =>
        quotas.change(() => [{ project: "blue", fetchedBytesPerDay: 1, concurrentFills: undefined }]),
    ],
    ["a limit of capacity", ({ capacity }: Catalog) => capacity.replace({ cacheBytes: 5 }, 1, "carol")],
    ["a block", ({ blocks }: Catalog) => blocks.put(someContent().digests.sha256, "recalled", "carol")],
  ])("a catalog in which an operator has set %s holds something", async (_, set) => {
    await set(to.catalog);
    expect(await stateOf(to.session)).toMatchObject({ holds: true });
  });

  test("contents that move are those that somebody may want, with what nothing else has told apart", async () => {
    await condemnedContent(from.catalog);
    const [cached, gone, uploaded, damaged] = [someContent(), someContent(), someContent(), someContent()];
    for (const content of [cached, gone]) await fill(from.catalog, content, (await located(from.catalog)).blob);
    await from.catalog.revalidation.conclude(gone.digests.sha256, true);
    for (const content of [uploaded, damaged]) {
      const { id } = await from.catalog.artifacts.create(newArtifact());
      const fence = await from.catalog.ledger.nextFence();
      await from.catalog.blobs.setUploaded(imageOf({ id }), { ...content, contentType: "text/plain", fence });
    }
    const fence = await from.catalog.ledger.generation(damaged.digests.sha256);
    if (fence === undefined) throw new Error("no such content");
    await from.catalog.care.quarantine({ sha256: damaged.digests.sha256, fence });
    const seen = new Map<string, string>();
    for await (const { object, internal, irreplaceable } of movableContents(from.session, never)) {
      seen.set(object.sha256, `${internal} ${irreplaceable}`);
    }
    expect(seen).toEqual(
      new Map([
        [cached.digests.sha256, "false false"],
        [gone.digests.sha256, "false true"],
        [uploaded.digests.sha256, "true false"],
        [damaged.digests.sha256, "true false"],
      ]),
    );
    const bytes = [cached, gone, uploaded, damaged].reduce((sum, { size }) => sum + size, 0);
    expect(await movableBytes(from.session)).toEqual({ count: 4, bytes });
    expect(await highestFence(from.session)).toBeGreaterThanOrEqual(fence);

    // Its bytes were read while they were copied, and were right.
    await move();
    expect((await to.catalog.inventory.find(damaged.digests.sha256))?.state).toBe("admitted");
    expect((await from.catalog.inventory.find(damaged.digests.sha256))?.state).toBe("quarantined");
  });
});

interface Opened {
  readonly session: Session;
  readonly catalog: Catalog;
}

function open(stack: AsyncDisposableStack, database: Database): Opened {
  return { catalog: stack.use(catalogOver(database, 30_000)), session: new Session(database, 30_000) };
}

function token(id: string): TokenRecord {
  const times = { createdAt: new Date(), expiresAt: undefined, revokedAt: undefined };
  return { id: id as TokenId, name: id, project: "p", roles: ["reader"], cidrs: [], ...times };
}

/** Records with everything that text, lists, numbers and times can be. */
async function fillCatalog({ catalog, session }: Opened): Promise<void> {
  await catalog.quotas.change(() => [{ project: "blue", fetchedBytesPerDay: 5, concurrentFills: Infinity }]);
  const odd = `"quotes" \\ back\\slashes {braces}, commas, 'ticks', $1, tab\t, line\n, ☃, \u{1f4a9}`;
  const artifact = newArtifact({
    name: odd,
    description: odd,
    tags: ["plain", 'q"uote', "back\\slash", "{}", "NULL", " "],
    metadata: { [odd]: odd, empty: "" },
    fields: { number: 0.1, whole: 9007199254740991, yes: true, none: null },
  });
  const one = await located(
    catalog,
    { url: `https://origin.example/${encodeURIComponent(odd)}?a=b%20c`, size: 2 ** 50 },
    artifact,
  );
  await activate(catalog, one.artifact.id, true);
  await catalog.blobs.setLocation(
    mirrorOf(one.artifact, "a b"),
    someLocation({ contentType: 'x/y; z="1"' }),
    undefined,
  );
  const content = someContent();
  const asked = await located(catalog);
  await fill(catalog, content, asked.blob, (await located(catalog)).blob);
  await catalog.capacity.pin(
    content.digests.sha256,
    { reason: odd, until: new Date(Date.now() + 3_600_000), by: odd },
    2 ** 40,
  );
  await catalog.revalidation.note(asked.blob.id, odd, { delivers: false, size: 2 ** 50, validator: odd });
  await catalog.revalidation.conclude(content.digests.sha256, true);
  await session.query((db) => db.execute(sql`update contents set keep_until = clock_timestamp(), value = 1.1`));
  await catalog.capacity.replace(
    {
      cacheBytes: 2 ** 50,
      highWatermark: 0.97,
      shares: [
        { project: odd, part: 0.1 },
        { origin: "origin.example:8080", part: 1 },
      ],
      fills: { perOrigin: 3 },
    },
    1,
    odd,
  );
  await session.query((db) => db.execute(sql`update capacity set inflation = 0.1`));
  await catalog.quotas.count(
    new Map([
      [odd, 2 ** 50],
      ["blue", 1],
    ]),
  );
  await session.query((db) =>
    db.execute(sql`insert into egress_use (project, day, bytes) values ('blue', '2024-02-29', 7)`),
  );
  await catalog.tasks.create({ kind: "purge", query: { origin: odd }, createdBy: odd });
  await condemnedContent(catalog).then(({ sha256, fence }) => catalog.contents.forget({ sha256, fence }));
  const { id } = await catalog.artifacts.create(newArtifact());
  const fence = await catalog.ledger.nextFence();
  await catalog.blobs.setUploaded(imageOf({ id }), { ...someContent(), contentType: "text/plain", fence });
  await catalog.policies.replace(0, { document: '{ "b": 1, "aa": [] }', madeBy: odd, note: odd });
  await session.query((db) =>
    db.execute(sql`insert into blocks (sha256, reason, blocked_by) values (${"b".repeat(64)}, ${odd}, 'admin')`),
  );
  await catalog.fillQueue.add(newFill({ name: odd, notBefore: new Date(Date.now() + 3_600_000), pinFor: 1 }));
  await catalog.graves.write([{ ref: imageOf({ id }), caller: odd.replaceAll("\n", ""), anew: false }]);
  await catalog.tokens.put({ ...token(randomUUID()), cidrs: ["10.0.0.0/8"], expiresAt: new Date() }, "e".repeat(64));
}

async function rowsOf(session: Session): Promise<Readonly<Record<string, readonly string[]>>> {
  const all = Object.entries(MOVED).map(async ([what, table]) => {
    const name = sql.identifier(table);
    const rows = await session.query((db) =>
      db.execute<{ row: string }>(
        sql`select row from (select to_jsonb(t)::text as row from ${name} t) r order by row collate "C"`,
      ),
    );
    return [what, rows.map(({ row }) => row)] as const;
  });
  return Object.fromEntries(await Promise.all(all));
}
