import { createHash, randomBytes, randomUUID } from "node:crypto";
import { open, readdir, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../../support/embedded-app.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";
import { mayMount, type SmallDisk, smallDisk } from "../../support/small-disk.ts";

const MIB = 1024 * 1024;

let app: Embedded;
let origin: FaultOrigin;
let auditor = "";
let reader = "";

beforeAll(async () => {
  origin = await startFaultOrigin();
  app = await startEmbedded();
  auditor = await app.token("audit", ["auditor"]);
  reader = await app.token("other", ["member"]);
}, 60_000);

afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await origin?.[Symbol.asyncDispose]();
}, 60_000);

interface Cached {
  readonly bytes: Buffer;
  readonly sha256: string;
  /** Path of the image's bytes. */
  readonly image: string;
  readonly artifact: string;
  /** At the origin. */
  readonly path: string;
}

/** An image that is fetched, with or without a recorded digest. */
async function cached(size: number, on: Embedded = app, recorded = true): Promise<Cached> {
  const bytes = randomBytes(size);
  const path = `/${randomUUID()}`;
  const sha256 = digestOf(bytes);
  origin.serve(path, bytes);
  const image = await on.image({ url: origin.url(path), ...(recorded ? { sha256 } : {}) });
  const answer = await on.ask("GET", image);
  expect([answer.status, answer.body.equals(bytes)]).toEqual([200, true]);
  const settled = async () => (await on.ask("GET", `/v1/contents/${sha256}`)).status;
  await expect.poll(settled, { timeout: 10_000 }).toBe(200);
  return { bytes, sha256, image, artifact: image.split("/")[3] ?? "", path };
}

async function uploaded(size: number): Promise<Cached> {
  const bytes = randomBytes(size);
  const record = { name: randomUUID(), container_format: "bare", disk_format: "raw" };
  const made = await json("POST", "/artifacts/images", record);
  const image = `/artifacts/images/${made.id}/image`;
  const headers = { "Content-Type": "application/octet-stream" };
  expect((await app.ask("PUT", image, { headers, body: bytes })).status).toBe(200);
  const patch = JSON.stringify([{ op: "replace", path: "/status", value: "active" }]);
  const type = { "Content-Type": "application/json-patch+json" };
  expect((await app.ask("PATCH", `/artifacts/images/${made.id}`, { headers: type, body: patch })).status).toBe(200);
  return { bytes, sha256: digestOf(bytes), image, artifact: made.id, path: "" };
}

async function send(method: string, path: string, body?: unknown, token?: string, on: Embedded = app) {
  const headers = { "Content-Type": "application/json" };
  const sent = body === undefined ? {} : { headers, body: JSON.stringify(body) };
  const answer = await on.ask(method, path, { ...sent, ...(token === undefined ? {} : { token }) });
  const text = answer.body.toString();
  return { status: answer.status, headers: answer.headers, json: text === "" ? undefined : JSON.parse(text) };
}

async function json(method: string, path: string, body?: unknown, on: Embedded = app) {
  const answer = await send(method, path, body, undefined, on);
  expect(answer.status, JSON.stringify(answer.json)).toBeLessThan(300);
  return answer.json;
}

/** The task at this path, when it is over. */
async function over(path: string, on: Embedded = app) {
  const look = async () => (await json("GET", path, undefined, on)).finished_at !== null;
  await expect.poll(look, { timeout: 30_000 }).toBe(true);
  return await json("GET", path, undefined, on);
}

/** A reader that takes no more than the first bytes until it may. */
function paused(image: string, until: Promise<void>, on: Embedded = app) {
  const begun = Promise.withResolvers<void>();
  let got = 0;
  const onData = (_: Buffer, soFar: number) => {
    got = soFar;
    if (soFar >= 100_000) begun.resolve();
    return true;
  };
  return {
    begun: begun.promise,
    got: () => got,
    answer: on.ask("GET", image, { onData, pause: { at: 100_000, until } }),
  };
}

/** Where the object of a content lies on the disk. */
async function fileOf(sha256: string, on: Embedded = app): Promise<string> {
  const { object } = await json("GET", `/v1/contents/${sha256}`, undefined, on);
  return join(on.dataDir, "store", object);
}

async function flip(file: string, at: number): Promise<void> {
  await using handle = await open(file, "r+");
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ 0xff;
  await handle.write(byte, 0, 1, at);
}

describe("contents", () => {
  test("are listed and shown with who refers to them", async () => {
    const { sha256, artifact, bytes } = await cached(1000);
    const shown = await json("GET", `/v1/contents/${sha256}`);
    expect(shown).toMatchObject({
      sha256,
      md5: createHash("md5").update(bytes).digest("hex"),
      size: 1000,
      state: "admitted",
      internal_blobs: 0,
      pin: null,
      block: null,
      irreplaceable_since: null,
      hot: false,
      more_referrers: false,
      referrers: [{ artifact, type: "images", project: "admin", field: "image", key: null, internal: false }],
    });
    const listed = await json("GET", `/v1/contents?artifact=${artifact}`);
    expect(listed).toMatchObject({ contents: [{ sha256, size: 1000 }], next: null });
    const upload = await uploaded(900);
    const internal = await json("GET", "/v1/contents?internal=true&limit=1000");
    expect(internal.contents.map((one: { sha256: string }) => one.sha256)).toContain(upload.sha256);
  });

  test("are listed page by page in each order, by links", async () => {
    for (const size of [11, 12, 13]) await cached(size);
    for (const order of ["sha256", "size", "last_read", "admitted"]) {
      for (const way of ["asc", "desc"]) {
        const all = await json("GET", `/v1/contents?limit=1000&sort=${order}:${way}`);
        const paged: string[] = [];
        for (let next: string | null = `/v1/contents?limit=2&sort=${order}:${way}`; next !== null; ) {
          const page: { contents: { sha256: string }[]; next: string | null } = await json("GET", next);
          paged.push(...page.contents.map((one) => one.sha256));
          next = page.next;
        }
        expect(paged).toEqual(all.contents.map((one: { sha256: string }) => one.sha256));
      }
    }
  });

  test.each([
    "limit=0",
    "sort=hits:asc",
    "after=x",
    `after=${Buffer.from('["size","x","y"]').toString("base64url")}`,
    `after=${Buffer.from(JSON.stringify(["size", "1", "a".repeat(64)])).toString("base64url")}`,
    `sort=admitted:asc&after=${Buffer.from(JSON.stringify(["admitted", "9999-99-99 99:99:99+00", "a".repeat(64)])).toString("base64url")}`,
    "min_size=-1",
    "artifact=1",
    "state=gone",
    "read_before=yesterday",
    "pinned=1",
    "unknown=1",
  ])("a list of %s is refused with 400", async (query) => {
    const answer = await send("GET", `/v1/contents?${query}`);
    expect([answer.status, answer.json.errors.length]).toEqual([400, 1]);
  });

  test("are the admin's and the auditor's to see, and the admin's to change", async () => {
    const { sha256 } = await cached(100);
    const one = `/v1/contents/${sha256}`;
    for (const path of ["/v1/contents", one, "/v1/blocks", "/v1/purges", "/v1/scrubs"]) {
      expect((await send("GET", path, undefined, auditor)).status).toBe(200);
      expect((await send("GET", path, undefined, reader)).status).toBe(403);
    }
    const changes = [
      ["PUT", `${one}/pin`, { reason: "r" }],
      ["DELETE", `${one}/pin`],
      ["PUT", `${one}/block`, { reason: "r" }],
      ["DELETE", `${one}/block`],
      ["POST", `${one}/verify`],
      ["DELETE", one],
      ["POST", "/v1/purges", { origin: "x" }],
      ["POST", "/v1/scrubs"],
    ] as const;
    for (const [method, path, body] of changes) {
      for (const token of [auditor, reader]) {
        expect((await send(method, path, body, token)).status, `${method} ${path}`).toBe(403);
      }
    }
    expect((await send("GET", `/v1/contents/${"0".repeat(64)}`)).json.code).toBe("content-not-found");
    expect((await send("GET", "/v1/contents/x")).json.code).toBe("content-not-found");
  });

  test("are pinned with a reason and an end, and unpinned", async () => {
    const { sha256 } = await cached(100);
    const path = `/v1/contents/${sha256}/pin`;
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const pinned = await send("PUT", path, { reason: "release day", until });
    expect(pinned.json.pin).toEqual({ reason: "release day", until, by: expect.any(String) });
    expect(pinned.headers.etag).toMatch(/^"[0-9a-f]{32}"$/);
    expect((await json("GET", "/v1/contents?pinned=true")).contents).toMatchObject([{ sha256 }]);
    expect((await send("DELETE", `/v1/contents/${sha256}`)).json.code).toBe("content-is-pinned");
    expect((await json("DELETE", path)).pin).toBeNull();
    const never = await send("PUT", path, { reason: "r", until: "2092-02-30T00:00:00Z" });
    expect([never.status, never.json.errors[0].field]).toEqual([400, "until"]);
    const past = await send("PUT", path, { reason: "r", until: "2020-01-01T00:00:00Z" });
    expect([past.status, past.json.errors[0].field]).toEqual([400, "until"]);
    expect((await send("PUT", path, { reason: "r", why: 1 })).status).toBe(422);
  });

  test("I5: purged ones go, uploaded ones never", async () => {
    const { sha256, image, path, bytes } = await cached(5000);
    const file = await fileOf(sha256);
    expect(await json("DELETE", `/v1/contents/${sha256}`)).toMatchObject({ state: "condemned" });
    await expect
      .poll(() =>
        open(file).then(
          (handle) => handle.close(),
          () => "gone",
        ),
      )
      .toBe("gone");
    expect((await app.ask("GET", image)).body.equals(bytes)).toBe(true);
    expect(origin.requests(path).length).toBe(2);
    const upload = await uploaded(1000);
    const refused = await send("DELETE", `/v1/contents/${upload.sha256}?force=true`);
    expect([refused.status, refused.json.code]).toEqual([409, "content-is-internal"]);
  });
});

describe("blocked bytes", () => {
  test("are refused to all, and given again when the block is lifted", async () => {
    const { sha256, image, path, bytes } = await cached(100_000);
    const block = await send("PUT", `/v1/contents/${sha256}/block`, { reason: "recalled" });
    expect(block.json).toMatchObject({ sha256, reason: "recalled" });
    for (const method of ["GET", "HEAD"]) expect((await app.ask(method, image)).status).toBe(403);
    const ranged = await app.ask("GET", image, { headers: { Range: "bytes=5-" } });
    expect(JSON.parse(ranged.body.toString()).error.code).toBe("content-blocked");
    expect((await json("GET", "/v1/contents?blocked=true")).contents).toMatchObject([{ sha256 }]);
    await json("DELETE", `/v1/contents/${sha256}`);
    await expect.poll(async () => (await send("GET", `/v1/contents/${sha256}`)).status).toBe(404);
    expect((await app.ask("GET", image)).status).toBe(403);
    expect(origin.requests(path).length).toBe(1);
    expect((await json("GET", "/v1/blocks")).blocks).toMatchObject([{ sha256 }]);
    expect((await send("DELETE", `/v1/contents/${sha256}/block`)).status).toBe(204);
    expect((await send("DELETE", `/v1/contents/${sha256}/block`)).status).toBe(404);
    expect((await app.ask("GET", image)).body.equals(bytes)).toBe(true);
  });

  test("a small hot hit is refused as well, before any router", async () => {
    const { sha256, image } = await cached(500);
    await app.ask("GET", image);
    await json("PUT", `/v1/contents/${sha256}/block`, { reason: "r" });
    expect((await app.ask("GET", image)).status).toBe(403);
    await send("DELETE", `/v1/contents/${sha256}/block`);
  });

  test("are cut from who reads them, who takes them and who waits alike, within a second", async () => {
    const { sha256, image } = await cached(64 * MIB);
    const going = Promise.withResolvers<void>();
    const slow = paused(image, going.promise);
    await slow.begun;
    const began = Date.now();
    await json("PUT", `/v1/contents/${sha256}/block`, { reason: "r" });
    going.resolve();
    const cut = await slow.answer;
    expect([cut.complete, cut.body.length < 64 * MIB]).toEqual([false, true]);
    expect(Date.now() - began).toBeLessThan(1000);
    await send("DELETE", `/v1/contents/${sha256}/block`);
  });

  test("are cut from those who follow a fill, which ends", async () => {
    const bytes = randomBytes(8 * MIB);
    const sha256 = digestOf(bytes);
    const path = `/${randomUUID()}`;
    const held = Promise.withResolvers<void>();
    origin.serve(path, bytes, { hold: { at: 4 * MIB, until: held.promise } });
    const image = await app.image({ url: origin.url(path), sha256 });
    let got = 0;
    const following = app.ask("GET", image, {
      onData: (_, soFar) => {
        got = soFar;
        return true;
      },
    });
    await expect.poll(() => got).toBeGreaterThan(MIB);
    await json("PUT", `/v1/contents/${sha256}/block`, { reason: "r" });
    expect((await following).complete).toBe(false);
    held.resolve();
    expect((await app.ask("GET", image)).status).toBe(403);
    expect((await send("GET", `/v1/contents/${sha256}`)).status).toBe(404);
  });

  test("whose digest nobody has recorded are refused at the end of the fetch, and not fetched again", async () => {
    const bytes = randomBytes(3 * MIB);
    const path = `/${randomUUID()}`;
    origin.serve(path, bytes);
    await json("PUT", `/v1/contents/${digestOf(bytes)}/block`, { reason: "r" });
    const image = await app.image({ url: origin.url(path) });
    const first = await app.ask("GET", image);
    expect([first.status === 403 || !first.complete, first.body.equals(bytes)]).toEqual([true, false]);
    expect((await app.ask("GET", image)).status).toBe(403);
    expect(origin.requests(path).length).toBe(1);
  });

  test("are not taken as an upload, and nothing of them stays", async () => {
    const bytes = randomBytes(2000);
    const sha256 = digestOf(bytes);
    await json("PUT", `/v1/contents/${sha256}/block`, { reason: "r" });
    const { id } = await json("POST", "/artifacts/images", {
      name: randomUUID(),
      container_format: "bare",
      disk_format: "raw",
    });
    const headers = { "Content-Type": "application/octet-stream" };
    const refused = await app.ask("PUT", `/artifacts/images/${id}/image`, { headers, body: bytes });
    expect([refused.status, JSON.parse(refused.body.toString()).error.code]).toEqual([403, "content-blocked"]);
    const top = join(app.dataDir, "store", "sha256", sha256.slice(0, 2), sha256.slice(2, 4), sha256);
    expect(await readdir(top).catch(() => [])).toEqual([]);
  });
});

describe("verification", () => {
  test("of intact bytes says so", async () => {
    const { sha256 } = await cached(10_000);
    const verified = await send("POST", `/v1/contents/${sha256}/verify`);
    expect([verified.status, verified.json.state]).toEqual([200, "done"]);
    expect(verified.json.result).toEqual({ sha256, bytes: 10_000, found: "intact", hot: [] });
    expect((await json("GET", `/v1/contents/${sha256}`)).scrubbed_at).not.toBeNull();
    expect(verified.headers.location).toBe(`/v1/scrubs/${verified.json.id}`);
  });

  test("of damaged ones fetches them anew", async () => {
    const { sha256, image, bytes, path } = await cached(3 * MIB);
    const before = await fileOf(sha256);
    await flip(before, 2 * MIB);
    const verified = await json("POST", `/v1/contents/${sha256}/verify`);
    expect(verified.result).toMatchObject({ found: "damaged", healed_from: "origin" });
    expect(await fileOf(sha256)).not.toBe(before);
    expect((await app.ask("GET", image)).body.equals(bytes)).toBe(true);
    expect(origin.requests(path).length).toBe(2);
    expect(
      await open(before).then(
        (handle) => handle.close(),
        () => "gone",
      ),
    ).toBe("gone");
  });

  test("I1: of damaged ones cuts who is reading them, and refuses to go on behind what was wrong", async () => {
    const { sha256, image } = await cached(64 * MIB);
    await flip(await fileOf(sha256), 63 * MIB);
    const going = Promise.withResolvers<void>();
    const reading = paused(image, going.promise);
    await reading.begun;
    const verified = await json("POST", `/v1/contents/${sha256}/verify`);
    expect(verified.result.found).toBe("damaged");
    going.resolve();
    const cut = await reading.answer;
    expect(cut.complete).toBe(false);
    const resumed = await app.ask("GET", image, { headers: { Range: `bytes=${reading.got()}-` } });
    expect(resumed.status).toBe(502);
    expect((await app.ask("GET", image)).status).toBe(200);
  });

  test("of uploaded ones that nobody else has says that they are lost, and keeps what there is of them", async () => {
    const { sha256, image } = await uploaded(100_000);
    const file = await fileOf(sha256);
    await flip(file, 77);
    const verified = await json("POST", `/v1/contents/${sha256}/verify`);
    expect(verified.result).toMatchObject({ found: "damaged", healed_from: "nothing" });
    const refused = await app.ask("GET", image);
    expect([refused.status, JSON.parse(refused.body.toString()).error.code]).toEqual([503, "store-unavailable"]);
    expect((await json("GET", "/v1/contents?state=quarantined")).contents).toMatchObject([{ sha256 }]);
    expect(await fileOf(sha256)).toBe(file);
  });

  test("I7: of uploaded ones that were read wrongly for a while gives them back", async () => {
    const { sha256, image, bytes } = await uploaded(100_001);
    const file = await fileOf(sha256);
    await flip(file, 78);
    expect((await json("POST", `/v1/contents/${sha256}/verify`)).result.found).toBe("damaged");
    expect((await app.ask("GET", image)).status).toBe(503);
    await flip(file, 78);
    expect((await json("POST", `/v1/contents/${sha256}/verify`)).result.found).toBe("intact");
    expect((await app.ask("GET", image)).body.equals(bytes)).toBe(true);
    expect((await json("GET", `/v1/contents/${sha256}`)).state).toBe("admitted");
  });

  test("of what is not there is not begun", async () => {
    expect((await send("POST", `/v1/contents/${"1".repeat(64)}/verify`)).status).toBe(404);
  });
});

describe("jobs", () => {
  test("a purge by artifact, first dry, then wet", async () => {
    const { sha256, artifact } = await cached(700);
    const dry = await json("POST", "/v1/purges?dry_run=true", { artifact });
    expect(dry).toMatchObject({ counts: { purged: 1, bytes: 700 }, contents: [{ sha256 }] });
    expect((await json("GET", `/v1/contents/${sha256}`)).state).toBe("admitted");
    const started = await send("POST", "/v1/purges", { artifact, reason: "old" });
    expect([started.status, started.headers.location]).toEqual([201, `/v1/purges/${started.json.id}`]);
    const done = await over(`/v1/purges/${started.json.id}`);
    expect(done).toMatchObject({ state: "done", kind: "purge", result: { purged: 1, bytes: 700 }, parts: [] });
    await expect.poll(async () => (await send("GET", `/v1/contents/${sha256}`)).status).toBe(404);
    expect((await json("GET", "/v1/purges")).purges[0].id).toBe(started.json.id);
  });

  test("a purge by a query spares what it must", async () => {
    const size = 123_457;
    const [plain, pinned] = [await cached(size), await cached(size)];
    const upload = await uploaded(size);
    await json("PUT", `/v1/contents/${pinned.sha256}/pin`, { reason: "keep" });
    const body = { query: { min_size: size, max_size: size } };
    const started = await json("POST", "/v1/purges", body);
    const { result } = await over(`/v1/purges/${started.id}`);
    expect(result).toMatchObject({ purged: 1, bytes: size, kept_internal: 1, kept_pinned: 1, kept_irreplaceable: 0 });
    await expect.poll(async () => (await send("GET", `/v1/contents/${plain.sha256}`)).status).toBe(404);
    const forced = await json("POST", "/v1/purges", { ...body, force: true });
    expect((await over(`/v1/purges/${forced.id}`)).result).toMatchObject({ purged: 1, kept_internal: 1 });
    expect((await json("GET", `/v1/contents/${upload.sha256}`)).state).toBe("admitted");
  });

  test.each<[unknown, number]>([
    [{}, 400],
    [{ query: {} }, 400],
    [{ artifact: "x" }, 400],
    [{ artifact: randomUUID() }, 404],
    [{ origin: "h", what: 1 }, 422],
    [{ query: { size: 1 } }, 422],
  ])("a purge of %j is refused with %s", async (body, status) => {
    expect((await send("POST", "/v1/purges", body)).status).toBe(status);
  });

  test("a scrub finds what is damaged and missing, heals it, and tells", async () => {
    const [one, two] = [await cached(2 * MIB), await cached(50_000)];
    await flip(await fileOf(one.sha256), 5);
    await unlink(await fileOf(two.sha256));
    expect((await send("POST", "/v1/scrubs", { rate: 1 })).status).toBe(422);
    const started = await send("POST", "/v1/scrubs");
    expect(started.status).toBe(201);
    const done = await over(`/v1/scrubs/${started.json.id}`);
    expect(done.result).toMatchObject({ damaged: 2, healed: 2, unreadable: 0, hot: [] });
    expect(done.result.checked).toBeGreaterThan(2);
    for (const { image, bytes } of [one, two]) expect((await app.ask("GET", image)).body.equals(bytes)).toBe(true);
    const again = await json("POST", "/v1/scrubs");
    expect((await over(`/v1/scrubs/${again.id}`)).result).toMatchObject({ damaged: 0 });
    expect((await send("DELETE", `/v1/scrubs/${again.id}`)).json.state).toBe("done");
    expect((await send("GET", `/v1/purges/${again.id}`)).json.code).toBe("job-not-found");
  });
});

describe("a purge while 50 readers are on it", async () => {
  const mounts = await mayMount();
  test.skipIf(!mounts)(
    "cuts none of them, and the disk has the space again after the last",
    async () => {
      await using disk: SmallDisk = await smallDisk(256 * MIB);
      await using own = await startEmbedded({
        dataDir: disk.path,
        env: { CISTERN_CACHE_BYTES: "100MiB", CISTERN_SPOOL_BYTES: "64MiB" },
      });
      const { bytes, image, sha256 } = await cached(12 * MIB, own);
      const going = Promise.withResolvers<void>();
      const readers = Array.from({ length: 50 }, () => paused(image, going.promise, own));
      await Promise.all(readers.map(({ begun }) => begun));
      const used = async () => {
        const { blocks, bfree, bsize } = await statfs(disk.path);
        return (blocks - bfree) * bsize;
      };
      const before = await used();
      await json("DELETE", `/v1/contents/${sha256}`, undefined, own);
      expect((await json("GET", `/v1/contents/${sha256}`, undefined, own)).state).toBe("condemned");
      expect(before - (await used())).toBeLessThan(6 * MIB);
      going.resolve();
      for (const { status, complete, body } of await Promise.all(readers.map(({ answer }) => answer))) {
        expect([status, complete, body.equals(bytes)]).toEqual([200, true, true]);
      }
      const freed = async () => before - (await used());
      await expect.poll(freed, { timeout: 90_000, interval: 500 }).toBeGreaterThan(10 * MIB);
      const shown = async () => (await send("GET", `/v1/contents/${sha256}`, undefined, undefined, own)).status;
      await expect.poll(shown).toBe(404);
    },
    240_000,
  );
});
