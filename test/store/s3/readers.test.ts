import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StoredObject } from "../../../src/domain/content-store.ts";
import { CisternError } from "../../../src/domain/errors.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { putObject } from "../../support/put-object.ts";
import { hasMinio, type S3Server, startMinio } from "../../support/s3-servers.ts";
import { nameOf } from "../object-name.ts";
import { type S3UnderTest, s3UnderTest } from "./s3-under-test.ts";

const MIB = 1 << 20;
const never = new AbortController().signal;

describe.skipIf(!hasMinio)("readers of a bucket", () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startMinio();
  });

  afterAll(() => server[Symbol.asyncDispose]());

  async function put(under: S3UnderTest, bytes: Buffer): Promise<void> {
    await using spool = await under.spooled(bytes);
    await putObject(under.store, nameOf(bytes), spool, never);
  }

  async function open(under: S3UnderTest, bytes: Buffer): Promise<StoredObject> {
    const opened = await under.store.open(nameOf(bytes), bytes.length);
    if (opened === undefined) throw new CisternError("internal", "not there");
    return opened;
  }

  test("that are more than there are connections take turns", async () => {
    await using under = await s3UnderTest(server, { maxReads: 3 });
    const bytes = randomBytes(24 * MIB);
    await put(under, bytes);
    const readers = await Promise.all(Array.from({ length: 12 }, () => open(under, bytes)));
    const right = readers.map(async (reader, index) => {
      const into = Buffer.alloc(MIB);
      const from = index % 5;
      for (let block = from; block < 24; block += 1) {
        await reader.read(into, block * MIB);
        if (!into.equals(bytes.subarray(block * MIB, (block + 1) * MIB))) return false;
      }
      return true;
    });
    expect(await Promise.all(right)).not.toContain(false);
    for (const reader of readers) await reader[Symbol.asyncDispose]();
  });

  test("that stall hold no connection that another one needs", async () => {
    await using under = await s3UnderTest(server, { maxReads: 2 });
    const bytes = randomBytes(24 * MIB);
    await put(under, bytes);
    const stalled = await Promise.all([1, 2, 3, 4].map(() => open(under, bytes)));
    for (const reader of stalled) await reader.read(Buffer.alloc(MIB), 0);
    const into = Buffer.alloc(MIB);
    for (const reader of stalled) {
      expect(await reader.read(into, MIB)).toBe(MIB);
      expect(into.equals(bytes.subarray(MIB, 2 * MIB))).toBe(true);
      await reader[Symbol.asyncDispose]();
    }
  });

  test("that read on cost a request for each range, and ranges grow", async () => {
    await using proxy = await startFaultProxy(server.endpoint);
    await using under = await s3UnderTest(server, { endpoint: proxy.endpoint, rangeBytes: MIB });
    const bytes = randomBytes(31 * MIB);
    await put(under, bytes);
    const before = proxy.seen.length;
    await using reader = await open(under, bytes);
    const into = Buffer.alloc(MIB);
    for (let offset = 0; offset < bytes.length; offset += MIB) await reader.read(into, offset);
    // 1 + 2 + 4 + 8 + 8 + 8 MiB, after one HEAD.
    expect(proxy.seen.slice(before).map((line) => line.slice(0, 4))).toEqual(["HEAD", ...Array(6).fill("GET ")]);
  });

  test("that jump cost one request for just their bytes each", async () => {
    await using proxy = await startFaultProxy(server.endpoint);
    await using under = await s3UnderTest(server, { endpoint: proxy.endpoint });
    const bytes = randomBytes(9 * MIB);
    await put(under, bytes);
    await using reader = await open(under, bytes);
    const before = proxy.seen.length;
    const into = Buffer.alloc(5000);
    for (const offset of [7 * MIB, 123, 4 * MIB]) {
      await reader.read(into, offset);
      expect(into.equals(bytes.subarray(offset, offset + 5000))).toBe(true);
    }
    expect(proxy.seen.length - before).toBe(3);
  });

  test("that pause for long give their connection back, and go on", async () => {
    await using proxy = await startFaultProxy(server.endpoint);
    await using under = await s3UnderTest(server, { endpoint: proxy.endpoint, idleMs: 50 });
    const bytes = randomBytes(24 * MIB);
    await put(under, bytes);
    await using reader = await open(under, bytes);
    await reader.read(Buffer.alloc(MIB), 0);
    await expect.poll(() => proxy.cutByClient).toBe(1);
    const into = Buffer.alloc(MIB);
    await reader.read(into, MIB);
    expect(into.equals(bytes.subarray(MIB, 2 * MIB))).toBe(true);
  });

  test("that are closed read no more", async () => {
    await using under = await s3UnderTest(server);
    const bytes = randomBytes(MIB);
    await put(under, bytes);
    const reader = await open(under, bytes);
    await reader[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
    await expect(reader.read(Buffer.alloc(10), 0)).rejects.toMatchObject({ code: "store-unavailable" });
  });
});
