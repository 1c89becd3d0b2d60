import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { S3Options } from "../../../src/store/s3/options.ts";
import { contentOf } from "../../conformance/content-store.ts";
import { type FaultProxy, type ProxyFault, startFaultProxy } from "../../support/fault-proxy.ts";
import { putObject } from "../../support/put-object.ts";
import { hasMinio, type S3Server, startMinio } from "../../support/s3-servers.ts";
import { nameOf } from "../object-name.ts";
import { type S3UnderTest, s3UnderTest, uploadsOf } from "./s3-under-test.ts";

const MIB = 1 << 20;
const never = new AbortController().signal;

describe.skipIf(!hasMinio)("a bucket behind a network that fails", () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startMinio();
  });

  afterAll(() => server[Symbol.asyncDispose]());

  async function behindProxy(changes: Partial<S3Options> = {}) {
    const proxy = await startFaultProxy(server.endpoint);
    const under = await s3UnderTest(server, { endpoint: proxy.endpoint, partBytes: 8 * MIB, ...changes });
    return {
      ...under,
      proxy,
      [Symbol.asyncDispose]: async () => {
        proxy.rule = () => undefined;
        await under[Symbol.asyncDispose]();
        await proxy[Symbol.asyncDispose]();
      },
    };
  }

  const PART = /^PUT .*partNumber=/;
  const BEGIN = /^POST .*\?uploads/;
  const COMPLETE = /^POST .*uploadId=/;
  const GET = /^GET .*\/sha256\//;
  const HEAD = /^HEAD .*\/sha256\//;

  test("a server that is silent keeps the first reader for a while, the others not at all, until it answers", async () => {
    await using under = await behindProxy({ lookMs: 1_000 });
    const bytes = randomBytes(MIB);
    const name = nameOf(bytes);
    await using spool = await under.spooled(bytes);
    await putObject(under.store, name, spool, never);
    under.proxy.rule = () => ({ kind: "silence" });
    const look = () => under.store.open(name, bytes.length).then((opened) => opened?.[Symbol.asyncDispose]());
    await expect(look()).rejects.toMatchObject({ code: "store-unavailable" });
    const asked = under.proxy.seen.filter((line) => HEAD.test(line)).length;
    for (const outcome of await Promise.allSettled(Array.from({ length: 300 }, look))) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "store-unavailable" } });
    }
    await expect(under.store.ping(never)).rejects.toMatchObject({ code: "store-unavailable" });
    expect(under.proxy.seen.filter((line) => HEAD.test(line)).length).toBe(asked);
    under.proxy.rule = () => undefined;
    const answers = () =>
      look().then(
        () => true,
        () => false,
      );
    await expect.poll(answers, { timeout: 20_000 }).toBe(true);
    await under.store.ping(never);
  });

  test.each([
    ["in one piece", 2 * MIB, /^PUT .*\/sha256\//],
    ["in parts", 20 * MIB, COMPLETE],
  ])("what the server makes of an upload %s that was given up is removed again", async (_, size, made) => {
    await using under = await behindProxy({ retryMs: 0, lookMs: 1_000 });
    const bytes = randomBytes(size);
    const name = nameOf(bytes);
    await using spool = await under.spooled(bytes);
    // It does what it is told, and cannot be asked whether it has.
    under.proxy.rule = (line) =>
      made.test(line) ? { kind: "lose-answer" } : HEAD.test(line) ? { kind: "refuse" } : undefined;
    await expect(putObject(under.store, name, spool, never)).rejects.toMatchObject({ code: "store-unavailable" });
    under.proxy.rule = () => undefined;
    expect(await contentOf(under.store, name, size)).toBeDefined();
    await expect.poll(() => contentOf(under.store, name, size), { timeout: 20_000 }).toBeUndefined();
    expect(await uploadsOf(under.store)).toBe(0);
  });

  test.each<[string, RegExp, ProxyFault]>([
    ["a part that is answered with SlowDown", PART, { kind: "answer", status: 503, body: errorBody("SlowDown") }],
    ["a part whose connection breaks", PART, { kind: "refuse" }],
    ["a part whose answer is lost", PART, { kind: "lose-answer" }],
    ["a beginning whose connection breaks", BEGIN, { kind: "refuse" }],
    [
      "a Complete that is answered with 500",
      COMPLETE,
      { kind: "answer", status: 500, body: errorBody("InternalError") },
    ],
    ["a Complete with an error under 200", COMPLETE, { kind: "answer", status: 200, body: errorBody("InternalError") }],
    ["a Complete whose answer is lost", COMPLETE, { kind: "lose-answer" }],
    ["a Complete whose answer is cut", COMPLETE, { kind: "cut", after: 30 }],
    ["a check whose connection breaks", HEAD, { kind: "refuse" }],
  ])("an upload gets over %s", async (_, line, fault) => {
    await using under = await behindProxy();
    const bytes = randomBytes(20 * MIB);
    under.proxy.rule = times(2, line, fault);
    await put(under, bytes);
    expect((await contentOf(under.store, nameOf(bytes), bytes.length))?.equals(bytes)).toBe(true);
    expect(await under.unfinished()).toBe(0);
  });

  test("a part that fails in the background is sent again when the store is back", async () => {
    await using under = await behindProxy();
    const bytes = randomBytes(40 * MIB);
    await using spool = await under.spooled(bytes);
    await using staging = under.store.stage(nameOf(bytes), spool, bytes.length);
    under.proxy.rule = (line) => (PART.test(line) ? { kind: "refuse" } : undefined);
    staging.advance(20 * MIB);
    await expect.poll(() => under.proxy.seen.filter((line) => PART.test(line)).length).toBeGreaterThanOrEqual(3);
    under.proxy.rule = () => undefined;
    await staging.commit(never);
    expect((await contentOf(under.store, nameOf(bytes), bytes.length))?.equals(bytes)).toBe(true);
  });

  test("a Complete whose answer is lost is asked for once: that the object is there decides", async () => {
    await using under = await behindProxy();
    under.proxy.rule = (line) => (COMPLETE.test(line) ? { kind: "lose-answer" } : undefined);
    await put(under, randomBytes(20 * MIB));
    expect(under.proxy.seen.filter((line) => COMPLETE.test(line))).toHaveLength(1);
  });

  test("a Complete in doubt rejects (I7)", async () => {
    await using under = await behindProxy({ retryMs: 200 });
    under.proxy.rule = (line) =>
      COMPLETE.test(line)
        ? { kind: "lose-answer" }
        : HEAD.test(line)
          ? { kind: "answer", status: 503, body: errorBody("SlowDown") }
          : undefined;
    await expect(put(under, randomBytes(20 * MIB))).rejects.toMatchObject({ code: "store-unavailable" });
  });

  test("a Complete that is denied under 200 rejects, and leaves nothing behind", async () => {
    await using under = await behindProxy();
    const bytes = randomBytes(20 * MIB);
    under.proxy.rule = times(1, COMPLETE, { kind: "answer", status: 200, body: errorBody("AccessDenied") });
    await expect(put(under, bytes)).rejects.toMatchObject({
      code: "store-unavailable",
      cause: { s3Code: "AccessDenied" },
    });
    expect(await under.store.open(nameOf(bytes), bytes.length)).toBeUndefined();
    expect(await under.unfinished()).toBe(0);
  });

  test.each([
    ["a part", 20 * MIB, PART],
    ["a small object", 1000, /^PUT .*\/sha256\//],
  ])("a store that is full says so for %s", async (_, size, line) => {
    await using under = await behindProxy();
    under.proxy.rule = times(99, line, { kind: "answer", status: 507, body: errorBody("XMinioStorageFull") });
    await expect(put(under, randomBytes(size))).rejects.toMatchObject({ code: "spool-full" });
    expect(await under.unfinished()).toBe(0);
  });

  test.each<[string, ProxyFault]>([
    ["a refusal", { kind: "answer", status: 403, body: errorBody("AccessDenied") }],
    ["an outage", { kind: "refuse" }],
    ["an overload", { kind: "answer", status: 503 }],
    ["a missing bucket", { kind: "answer", status: 404, body: "" }],
    ["silence", { kind: "silence" }],
  ])("%s is no absence (I7)", async (_, fault) => {
    await using under = await behindProxy({ requestMs: 500 });
    under.proxy.rule = () => fault;
    await expect(under.store.open(nameOf(randomBytes(8)), 8)).rejects.toMatchObject({ code: "store-unavailable" });
  });

  test("a read that breaks in the middle goes on where it was", async () => {
    await using under = await behindProxy();
    const bytes = randomBytes(12 * MIB);
    await put(under, bytes);
    under.proxy.rule = times(2, GET, { kind: "cut", after: 3 * MIB + 17 });
    expect((await readBlocks(under, bytes))?.equals(bytes)).toBe(true);
    under.proxy.rule = times(1, GET, { kind: "refuse" });
    expect((await readBlocks(under, bytes))?.equals(bytes)).toBe(true);
  });

  test.each<[string, ProxyFault]>([
    ["breaks at the same place again", { kind: "cut", after: 17 }],
    [
      "is for another range than was asked for",
      { kind: "relabel", headers: { "content-range": "bytes 1-1048576/2097152" } },
    ],
    ["is of another version", { kind: "relabel", headers: { etag: '"0"' } }],
    ["has another length", { kind: "relabel", headers: { "content-length": "17" } }],
    ["is silence", { kind: "silence" }],
  ])("a read whose answer %s rejects", async (_, fault) => {
    await using under = await behindProxy({ requestMs: 500 });
    const bytes = randomBytes(2 * MIB);
    await put(under, bytes);
    under.proxy.rule = (line) => (GET.test(line) ? fault : undefined);
    await expect(readBlocks(under, bytes)).rejects.toMatchObject({ code: "store-unavailable" });
  });

  test("an object that is written anew under a reader is not mixed into what it has read", async () => {
    await using under = await behindProxy({ rangeBytes: MIB });
    const bytes = randomBytes(4 * MIB);
    await put(under, bytes);
    await using opened = await under.store.open(nameOf(bytes), bytes.length);
    await opened?.read(Buffer.alloc(MIB), 0);
    await using other = await under.spooled(randomBytes(4 * MIB));
    await putObject(under.store, nameOf(bytes), other, never);
    await expect(opened?.read(Buffer.alloc(MIB), MIB)).rejects.toMatchObject({
      code: "store-unavailable",
      cause: { status: 412 },
    });
  });

  test("disposal of an upload whose store is away ends", async () => {
    await using under = await behindProxy();
    const bytes = randomBytes(20 * MIB);
    await using spool = await under.spooled(bytes);
    const staging = under.store.stage(nameOf(bytes), spool, bytes.length);
    under.proxy.rule = () => ({ kind: "refuse" });
    staging.advance(bytes.length);
    await staging[Symbol.asyncDispose]();
  });
});

/** The fault for so many requests that fit. */
function times(count: number, line: RegExp, fault: ProxyFault): FaultProxy["rule"] {
  let left = count;
  return (seen) => {
    if (!line.test(seen) || left === 0) return undefined;
    left -= 1;
    return fault;
  };
}

function errorBody(code: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>no</Message></Error>`;
}

async function put(under: S3UnderTest, bytes: Uint8Array): Promise<void> {
  await using spool = await under.spooled(bytes);
  await putObject(under.store, nameOf(bytes), spool, never);
}

/** Reads as the cache does: block by block. */
async function readBlocks(under: S3UnderTest, bytes: Uint8Array): Promise<Buffer | undefined> {
  await using opened = await under.store.open(nameOf(bytes), bytes.length);
  if (opened === undefined) return undefined;
  const whole = Buffer.alloc(bytes.length);
  for (let offset = 0; offset < whole.length; ) {
    offset += await opened.read(whole.subarray(offset, offset + MIB), offset);
  }
  return whole;
}
