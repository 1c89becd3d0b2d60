import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Evictor } from "../../src/cache/evict.ts";
import type { Fence, ObjectName } from "../../src/domain/content.ts";
import type { ContentCatalog } from "../../src/domain/content-catalog.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { digestOf, startFaultOrigin } from "../support/fault-origin.ts";

const MIB = 1024 * 1024;

async function storedBytes(dataDir: string): Promise<number> {
  const files = await readdir(join(dataDir, "store"), { recursive: true, withFileTypes: true });
  const sizes = files
    .filter((file) => file.isFile())
    .map(async (file) => (await stat(join(file.parentPath, file.name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function upload(cistern: Embedded, bytes: Buffer): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify({ name: "internal", container_format: "bare", disk_format: "raw" });
  const { id } = JSON.parse(String((await cistern.ask("POST", "/artifacts/images", { headers, body })).body));
  const path = `/artifacts/images/${id}/image`;
  const sent = await cistern.ask("PUT", path, { headers: { "Content-Type": "application/octet-stream" }, body: bytes });
  expect(sent.status).toBe(200);
  return path;
}

describe("I9: the cache has a hard limit", () => {
  test("what was read least recently goes, internal bytes never do, and what cannot fit is passed through verified", async () => {
    await using origin = await startFaultOrigin();
    await using cistern = await startEmbedded({ env: { CISTERN_CACHE_BYTES: String(10 * MIB) } });
    const internal = randomBytes(2 * MIB);
    const uploaded = await upload(cistern, internal);
    const paths: string[] = [];
    for (let index = 0; index < 6; index += 1) {
      const bytes = randomBytes(3 * MIB);
      origin.serve(`/${index}`, bytes);
      const path = await cistern.image({ url: origin.url(`/${index}`), sha256: digestOf(bytes) });
      const answer = await cistern.ask("GET", path);
      expect(answer.body.equals(bytes)).toBe(true);
      await expect.poll(() => readdir(join(cistern.dataDir, "spool"))).toEqual([]);
      expect(await storedBytes(cistern.dataDir)).toBeLessThanOrEqual(10 * MIB);
      paths.push(path);
    }
    const status = async (path: string | undefined) =>
      (await cistern.ask("HEAD", String(path))).headers["cache-status"];
    expect(await status(paths.at(-1))).toBe("Cistern; hit");
    expect(await status(paths[0])).not.toBe("Cistern; hit");
    expect((await cistern.ask("GET", uploaded)).body.equals(internal)).toBe(true);

    const large = randomBytes(11 * MIB);
    origin.serve("/large", large);
    const path = await cistern.image({ url: origin.url("/large"), sha256: digestOf(large) });
    expect((await cistern.ask("GET", path)).body.equals(large)).toBe(true);
    expect(await status(path)).not.toBe("Cistern; hit");
    expect(await status(paths.at(-1))).toBe("Cistern; hit");
  });
});

describe("two processes that make room at once", () => {
  const object = (fence: number): ObjectName => ({ sha256: sha256("ab".repeat(32)), fence: fence as Fence });
  const at = new Date(0);
  const content = { object: object(1), digests: { sha256: object(1).sha256 }, size: 4, admittedAt: at, lastReadAt: at };

  /** Contents of 4 bytes each, as another process leaves them when it comes first. */
  function evictor(left: number, another: { first: boolean }) {
    const none = (): never => expect.unreachable("not asked here");
    let condemned = 0;
    const contents: ContentCatalog = {
      admit: none,
      condemned: none,
      forget: none,
      leastRecentlyRead: async () => [content],
      condemn: async () => {
        if (another.first) condemned = left;
        return false;
      },
      use: async () => ({ count: 2, bytes: 8, condemnedBytes: condemned }),
    };
    const store = { open: none, stage: none, sweep: none, ping: none, remove: none, list: none };
    const events = { emit: (event: { kind: string }) => expect.unreachable(event.kind) };
    return new Evictor({ contents, store, events }, { limit: 8, shared: true }, () => undefined);
  }

  test("what the other has evicted is room", async () => {
    expect(await evictor(4, { first: true }).makeRoom(4)).toBe(true);
  });

  test("when neither can evict anything, there is none", async () => {
    expect(await evictor(0, { first: false }).makeRoom(4)).toBe(false);
    expect(await evictor(2, { first: true }).makeRoom(4)).toBe(false);
  });
});

describe("what a crash left", () => {
  test("I2: an object without a row is removed after the start; one with a row stays", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "cistern-test-"));
    const bytes = randomBytes(MIB);
    const other = digestOf(randomBytes(10));
    const orphan = join(dataDir, "store", "sha256", other.slice(0, 2), other.slice(2, 4), other, "1");
    let path: string;
    {
      await using cistern = await startEmbedded({ dataDir });
      path = await upload(cistern, bytes);
    }
    await mkdir(join(orphan, ".."), { recursive: true });
    await writeFile(orphan, "left behind");
    {
      await using cistern = await startEmbedded({ dataDir });
      await expect.poll(() => stat(orphan).catch(() => undefined)).toBeUndefined();
      expect((await cistern.ask("GET", path)).body.equals(bytes)).toBe(true);
    }
    await rm(dataDir, { recursive: true, force: true });
  });

  test("I7: content whose object is missing is fetched again, not refused", async () => {
    await using origin = await startFaultOrigin();
    await using cistern = await startEmbedded();
    const bytes = randomBytes(MIB + 5);
    origin.serve("/a", bytes);
    const path = await cistern.image({ url: origin.url("/a"), sha256: digestOf(bytes) });
    await cistern.ask("GET", path);
    await expect.poll(() => storedBytes(cistern.dataDir)).toBe(bytes.length);
    await rm(join(cistern.dataDir, "store", "sha256"), { recursive: true });
    const again = await cistern.ask("GET", path);
    expect([again.status, again.body.equals(bytes)]).toEqual([200, true]);
    await expect.poll(() => storedBytes(cistern.dataDir)).toBe(bytes.length);
    expect(origin.requests("/a").length).toBe(2);
  });
});
