import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { receiveBytes, type Upload } from "../../src/artifact/receive-bytes.ts";
import type { SpoolFile } from "../../src/domain/spool.ts";
import { WorkerHasher } from "../../src/store/hasher/worker-hasher.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { ManualClock } from "../support/manual-clock.ts";

const STALL_MS = 60_000;
const hasher = new WorkerHasher();
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeAll(async () => {
  directory = await temporaryDirectory();
});

afterAll(async () => {
  await hasher[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});

/** A sender that sends when the test says so. */
class Sender implements AsyncIterableIterator<Uint8Array> {
  asked = 0;
  #answer: PromiseWithResolvers<IteratorResult<Uint8Array>> | undefined;
  #waiting = Promise.withResolvers<void>();

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    this.asked += 1;
    this.#answer = Promise.withResolvers();
    this.#waiting.resolve();
    return this.#answer.promise;
  }

  /** Resolves when the next bytes are asked for. */
  async wanted(): Promise<void> {
    await this.#waiting.promise;
  }

  send(text: string): void {
    this.#waiting = Promise.withResolvers();
    this.#answer?.resolve({ done: false, value: Buffer.from(text) });
  }

  end(): void {
    this.#answer?.resolve({ done: true, value: undefined });
  }

  fail(error: Error): void {
    this.#answer?.reject(error);
  }
}

/** A spool file whose appends wait for the test. */
function slow(file: SpoolFile): { readonly file: SpoolFile; readonly gate: PromiseWithResolvers<void> } {
  const gate = Promise.withResolvers<void>();
  const held: SpoolFile = {
    path: file.path,
    written: 0,
    read: (into, offset) => file.read(into, offset),
    append: async (chunk) => {
      await gate.promise;
      await file.append(chunk);
    },
    seal: () => file.seal(),
    discard: () => file.discard(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
  return { file: held, gate };
}

async function receiving(options: { length?: number; maxBytes?: number; slowly?: boolean } = {}) {
  const spool = await openSpool(`${directory.path}/spool`, 2 ** 26);
  const real = await spool.create(0);
  const { file, gate } = options.slowly === true ? slow(real) : { file: real, gate: Promise.withResolvers<void>() };
  const clock = new ManualClock();
  const sender = new Sender();
  const leaving = new AbortController();
  const upload: Upload = { bytes: sender, length: options.length, contentType: "text/plain" };
  const ports = { hasher, clock, stallMs: STALL_MS, maxBytes: options.maxBytes ?? 2 ** 20 };
  const received = receiveBytes(ports, upload, { file, cover: async () => undefined }, ["md5"], leaving.signal);
  received.catch(() => undefined); // each test looks at it when it is time
  return { received, sender, clock, leaving, gate, file: real };
}

describe("bytes that a client sends", () => {
  test("are hashed and sealed in the spool when the client ends", async () => {
    const { received, sender, file } = await receiving({ length: 6 });
    for (const part of ["foo", "bar"]) {
      await sender.wanted();
      sender.send(part);
    }
    await sender.wanted();
    sender.end();
    const hex = (algorithm: string) => createHash(algorithm).update("foobar").digest("hex");
    expect(await received).toEqual({ size: 6, digests: { sha256: hex("sha256"), md5: hex("md5") } });
    expect(file.written).toBe(6);
    await file.discard();
    await file[Symbol.asyncDispose]();
  });

  test("are not asked for while the spool is behind, and that is no silence of the client", async () => {
    const { received, sender, clock, gate } = await receiving({ slowly: true });
    await sender.wanted();
    sender.send("one");
    await expect.poll(() => clock.sleeping).toBe(1);
    clock.advance(10 * STALL_MS);
    expect(sender.asked).toBe(1);
    gate.resolve();
    await sender.wanted();
    expect(sender.asked).toBe(2);
    sender.end();
    expect((await received).size).toBe(3);
    expect(clock.sleeping).toBe(0);
  });

  test("that stay away for a minute end it, however many came before", async () => {
    const { received, sender, clock } = await receiving();
    for (let index = 0; index < 3; index += 1) {
      await sender.wanted();
      clock.advance(STALL_MS - 1);
      sender.send("x");
    }
    await sender.wanted();
    await expect.poll(() => clock.sleeping).toBe(1);
    clock.advance(STALL_MS);
    await expect.poll(() => clock.sleeping).toBeLessThanOrEqual(1);
    clock.advance(STALL_MS);
    await expect(received).rejects.toMatchObject({ code: "request-timeout", message: "no byte came for 60 s" });
    await expect.poll(() => clock.sleeping).toBe(0);
  });

  test("end with what the stream throws, or with the client's leaving", async () => {
    const broken = await receiving();
    await broken.sender.wanted();
    broken.sender.fail(new Error("aborted"));
    await expect(broken.received).rejects.toThrow("aborted");
    const left = await receiving();
    await left.sender.wanted();
    left.leaving.abort(new Error("the client has left"));
    await expect(left.received).rejects.toThrow("the client has left");
    expect(left.clock.sleeping + broken.clock.sleeping).toBe(0);
  });

  test("more or fewer than announced, or than may be, are refused by name", async () => {
    const short = await receiving({ length: 5 });
    await short.sender.wanted();
    short.sender.send("four");
    await short.sender.wanted();
    short.sender.end();
    await expect(short.received).rejects.toMatchObject({ fields: [{ field: "header.content-length" }] });
    const large = await receiving({ maxBytes: 3 });
    await large.sender.wanted();
    large.sender.send("four");
    await expect(large.received).rejects.toMatchObject({ code: "payload-too-large", fields: [{ field: "body" }] });
    expect(large.sender.asked).toBe(1);
  });
});
