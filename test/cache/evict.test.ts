import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Evictor } from "../../src/cache/evict.ts";
import type { Fence, ObjectName } from "../../src/domain/content.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { SpaceLedger } from "../../src/domain/space.ts";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { digestOf, startFaultOrigin } from "../support/fault-origin.ts";
import { setPolicy } from "../support/policy-client.ts";

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

describe("I9: when there is no room, the content rule decides", () => {
  test("pass hands on without keeping, reject and a queue for what never fits answer 507; uploads do", async () => {
    await using origin = await startFaultOrigin();
    await using cistern = await startEmbedded({ env: { CISTERN_CACHE_BYTES: String(MIB) } });
    const bytes = randomBytes(2 * MIB);
    origin.serve("/large", bytes);
    const path = await cistern.image({ url: origin.url("/large"), sha256: digestOf(bytes), size: bytes.length });
    for (const [on_full, status] of [
      ["reject", 507],
      ["queue", 507],
      ["pass", 200],
    ] as const) {
      await setPolicy(cistern, { access: [], content: [{ name: "full", on_full }] });
      const fetched = origin.requests("/large").length;
      const answer = await cistern.ask("GET", path);
      expect([on_full, answer.status]).toEqual([on_full, status]);
      // Refused before a byte was fetched.
      expect(origin.requests("/large").length - fetched).toBe(status === 200 ? 1 : 0);
      if (status === 200) expect(answer.body.equals(bytes)).toBe(true);
      else expect(JSON.parse(String(answer.body)).error.message).toContain("no room");
    }
    expect((await cistern.ask("HEAD", path)).headers["cache-status"]).not.toBe("Cistern; hit");
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ name: "internal", container_format: "bare", disk_format: "raw" });
    const { id } = JSON.parse(String((await cistern.ask("POST", "/artifacts/images", { headers, body })).body));
    const octets = { "Content-Type": "application/octet-stream" };
    const refused = await cistern.ask("PUT", `/artifacts/images/${id}/image`, { headers: octets, body: bytes });
    expect(refused.status).toBe(507);
    const { use } = JSON.parse(String((await cistern.ask("GET", "/v1/capacity")).body));
    expect(use).toMatchObject({ used: 0, reserved: { bytes: 0, count: 0 } });
  });
});

describe("what the ledger decides is carried out", () => {
  const object = (fence: number): ObjectName => ({ sha256: sha256("ab".repeat(32)), fence: fence as Fence });
  const claim = { key: "a", fence: 9 as Fence, holder: "here", project: "", origin: "" };

  /** A ledger that has room when these objects are gone. */
  function evictor(
    condemned: ObjectName[],
    options: { readonly open?: readonly ObjectName[]; readonly away?: boolean; readonly shared?: boolean },
  ) {
    const state = { away: options.away ?? false, heard: false, released: 0, told: [] as string[] };
    const none = (): never => expect.unreachable("not asked here");
    const space: SpaceLedger = {
      reserve: async () => ({ outcome: condemned.length === 0 ? "granted" : "going", evicted: [] }),
      release: async () => {
        if (state.away) throw new CisternError("catalog-unavailable", "away");
        state.released += 1;
      },
      foresee: none,
      releaseAll: none,
      releaseDead: none,
      evict: none,
      evictDown: none,
    };
    const contents = {
      condemned: async () => [...condemned],
      forget: async (gone: ObjectName) => {
        condemned.splice(condemned.indexOf(gone), 1);
        return true;
      },
    };
    const events = { emit: (event: { kind: string }) => void state.told.push(event.kind) };
    const { open = [], shared = false } = options;
    const setting = { configured: 8, limit: () => 8, open: () => open, shared, heard: () => state.heard };
    const store = { remove: async () => undefined };
    return { state, evictor: new Evictor({ space, contents, store, events }, setting, () => undefined) };
  }

  test("objects go before room is granted", async () => {
    const condemned = [object(1), object(2)];
    expect(await evictor(condemned, {}).evictor.reserve(claim, 4)).toBe("granted");
    expect(condemned).toEqual([]);
  });

  test("I5: an object that is being read stays, and its room is not granted", async () => {
    const condemned = [object(1), object(2)];
    const { evictor: one } = evictor(condemned, { open: [object(2)] });
    expect(await one.reserve(claim, 4)).toBe("full");
    expect(condemned).toEqual([object(2)]);
  });

  test("I5: after an outage nothing goes before every replica has told what its readers have open", async () => {
    const condemned = [object(1)];
    const { evictor: one, state } = evictor(condemned, { shared: true });
    const { signal } = new AbortController();
    expect(await one.reap(signal)).toBe(0);
    state.heard = true;
    expect(await one.reap(signal)).toBe(1);
  });

  test("what cannot be given back while the catalog is away is given back later", async () => {
    const { evictor: one, state } = evictor([], { away: true });
    await one.release(claim.fence);
    expect(state).toMatchObject({ released: 0, told: ["degraded"] });
    state.away = false;
    await one.giveBack();
    await one.giveBack();
    expect(state.released).toBe(1);
  });

  test("what could not be given back, and was reserved again since, is not given back behind its back", async () => {
    const { evictor: one, state } = evictor([], { away: true });
    await one.release(claim.fence);
    state.away = false;
    expect(await one.reserve(claim, 4)).toBe("granted");
    await one.giveBack();
    expect(state.released).toBe(0);
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
