import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { mayMount, type SmallDisk, smallDisk } from "../support/small-disk.ts";

const MIB = 1024 * 1024;
const SIZE = 6 * MIB;

/** A server whose store and spool share a disk that is far smaller than its limits. */
async function startOn(disk: SmallDisk, stack: AsyncDisposableStack): Promise<Embedded> {
  const dataDir = await mkdtemp(join(tmpdir(), "cistern-test-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  for (const name of ["store", "spool"]) {
    await mkdir(join(disk.path, name));
    await symlink(join(disk.path, name), join(dataDir, name));
  }
  const env = { CISTERN_CACHE_BYTES: "10GiB", CISTERN_SPOOL_BYTES: "1GiB", CISTERN_MAX_UPLOAD_BYTES: "1GiB" };
  return stack.use(await startEmbedded({ dataDir, env }));
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

/** Registers content that nobody has, and reads it through. */
async function readNew(cistern: Embedded, origin: FaultOrigin, name: string) {
  const bytes = randomBytes(SIZE);
  origin.serve(`/${name}`, bytes);
  const path = await cistern.image({ url: origin.url(`/${name}`), sha256: digestOf(bytes) });
  const answer = await cistern.ask("GET", path);
  expect([answer.status, answer.body.equals(bytes)]).toEqual([200, true]);
  return { path, bytes };
}

async function isHit(cistern: Embedded, path: string): Promise<boolean> {
  return (await cistern.ask("HEAD", path)).headers["cache-status"] === "Cistern; hit";
}

describe.skipIf(!(await mayMount()))("I9: a disk that is full below all limits", () => {
  test("old content makes room, fetches go on, and nothing that was admitted is lost", {
    timeout: 180_000,
  }, async () => {
    await using stack = new AsyncDisposableStack();
    const disk = stack.use(await smallDisk(40 * MIB));
    const origin = stack.use(await startFaultOrigin());
    const cistern = await startOn(disk, stack);
    const internal = randomBytes(4 * MIB);
    const uploaded = await upload(cistern, internal);
    const read: { readonly path: string; readonly bytes: Buffer }[] = [];
    for (let n = 0; n < 10; n += 1) {
      const one = await readNew(cistern, origin, String(n));
      await expect.poll(() => isHit(cistern, one.path), { timeout: 10_000 }).toBe(true);
      read.push(one);
    }
    expect(await isHit(cistern, String(read[0]?.path))).toBe(false);
    expect((await cistern.ask("GET", uploaded)).body.equals(internal)).toBe(true);

    // Somebody else takes all the rest.
    await disk.fill();
    const crowded = await readNew(cistern, origin, "crowded");
    await expect.poll(() => isHit(cistern, crowded.path), { timeout: 10_000 }).toBe(true);
    let hits = 0;
    for (const { path, bytes } of [...read, crowded]) {
      if (!(await isHit(cistern, path))) continue;
      hits += 1;
      expect((await cistern.ask("GET", path)).body.equals(bytes)).toBe(true);
    }
    expect(hits).toBeGreaterThan(2);
    expect((await cistern.ask("GET", uploaded)).body.equals(internal)).toBe(true);
    const state = JSON.parse(String((await cistern.ask("GET", "/v1/capacity")).body));
    expect(state.use).toMatchObject({ reserved: { bytes: 0, count: 0 }, internal: { bytes: internal.length } });
    expect(state.use.cached.count).toBe(hits);
  });

  test("an upload finds room as well, and is refused when there is none to be had", { timeout: 120_000 }, async () => {
    await using stack = new AsyncDisposableStack();
    const disk = stack.use(await smallDisk(24 * MIB));
    const origin = stack.use(await startFaultOrigin());
    const cistern = await startOn(disk, stack);
    for (let n = 0; n < 3; n += 1) {
      const { path } = await readNew(cistern, origin, String(n));
      await expect.poll(() => isHit(cistern, path), { timeout: 10_000 }).toBe(true);
    }
    const bytes = randomBytes(16 * MIB);
    const path = await upload(cistern, bytes);
    expect((await cistern.ask("GET", path)).body.equals(bytes)).toBe(true);
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ name: "more", container_format: "bare", disk_format: "raw" });
    const { id } = JSON.parse(String((await cistern.ask("POST", "/artifacts/images", { headers, body })).body));
    const octets = { "Content-Type": "application/octet-stream" };
    const refused = await cistern.ask("PUT", `/artifacts/images/${id}/image`, { headers: octets, body: bytes });
    expect(refused.status).toBe(507);
    expect((await cistern.ask("GET", path)).body.equals(bytes)).toBe(true);
  });
});
