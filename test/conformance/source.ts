import { describe, expect, test } from "vitest";
import { CisternError, isCisternError } from "../../src/domain/errors.ts";
import type { ExternalLocation } from "../../src/domain/location.ts";
import type { Source, SourceAnswer, SourceRequest } from "../../src/domain/source.ts";
import { type Behaviour, bytesAt, startFaultOrigin } from "../support/fault-origin.ts";

const CONTENT = { size: 2 * 2 ** 20 + 3, seed: "content" };
const WHOLE = bytesAt(CONTENT, 0, CONTENT.size);
const MIDDLE = 2 ** 20 + 1;

/** What every `Source` does. `make` answers one that reaches the origin and gives up on silence within a second. */
export function sourceConformance(name: string, make: () => Source & AsyncDisposable): void {
  const never = new AbortController().signal;

  async function serving(...behaviours: Behaviour[]) {
    const origin = await startFaultOrigin();
    const source = make();
    origin.serve("/blob", CONTENT, ...behaviours);
    const location: ExternalLocation = { kind: "external", url: origin.url("/blob"), setBy: "admin" };
    const behalf = { project: "p", blob: "artifacts/a/image", fill: undefined, size: undefined };
    const request: SourceRequest = { location, behalf, offset: 0, validator: undefined, acceptEncoded: true };
    return {
      origin,
      source,
      location,
      request,
      async [Symbol.asyncDispose]() {
        await source[Symbol.asyncDispose]();
        await origin[Symbol.asyncDispose]();
      },
    };
  }

  describe(`${name} as a source`, () => {
    test("delivers the whole content, and says how long it is and what identifies it", async () => {
      await using it = await serving();
      const answer = await it.source.open(it.request, never);
      expect(answer).toMatchObject({ offset: 0, total: CONTENT.size, framed: true, status: 200 });
      expect(answer.validator?.kind).toBe("etag");
      expect((await bytesOf(answer)).equals(WHOLE)).toBe(true);
      expect(it.origin.bytesSent()).toBe(CONTENT.size);
    });

    test("delivers chunks that stay as they are while more come", async () => {
      await using it = await serving({ framing: "chunked" });
      const answer = await it.source.open(it.request, never);
      const chunks: Uint8Array[] = [];
      const copies: Buffer[] = [];
      for await (const chunk of answer.body) {
        chunks.push(chunk);
        copies.push(Buffer.from(chunk));
      }
      expect(chunks.every((chunk, index) => copies[index]?.equals(chunk))).toBe(true);
      expect(Buffer.concat(chunks).equals(WHOLE)).toBe(true);
    });

    test("goes on at an offset under the validator that it gave", async () => {
      await using it = await serving();
      const { validator, body } = await it.source.open(it.request, never);
      await body[Symbol.asyncIterator]().return?.();
      const answer = await it.source.open({ ...it.request, offset: MIDDLE, validator }, never);
      expect(answer).toMatchObject({ offset: MIDDLE, total: CONTENT.size, status: 206, validator });
      expect((await bytesOf(answer)).equals(WHOLE.subarray(MIDDLE))).toBe(true);
      expect(it.origin.requests()[1]?.bytesSent).toBe(CONTENT.size - MIDDLE);
    });

    test("begins anew without a validator, and when the content is another", async () => {
      const other = { ...CONTENT, seed: "other" };
      await using it = await serving({}, {}, { content: other });
      const { validator, body } = await it.source.open(it.request, never);
      await body[Symbol.asyncIterator]().return?.();
      const bare = await it.source.open({ ...it.request, offset: MIDDLE, validator: undefined }, never);
      expect(bare.offset).toBe(0);
      expect((await bytesOf(bare)).equals(WHOLE)).toBe(true);
      const changed = await it.source.open({ ...it.request, offset: MIDDLE, validator }, never);
      expect(changed.offset).toBe(0);
      expect(changed.validator).not.toEqual(validator);
      expect((await bytesOf(changed)).equals(bytesAt(other, 0, other.size))).toBe(true);
    });

    test("reads no more than it must ahead of its reader", async () => {
      await using it = await serving({ content: { size: 64 * 2 ** 20, seed: "large" } });
      const answer = await it.source.open(it.request, never);
      const reader = answer.body[Symbol.asyncIterator]();
      await reader.next();
      // What the two kernels hold is all that may be under way.
      const sent = await settled(() => it.origin.bytesSent());
      expect(sent).toBeLessThan(24 * 2 ** 20);
      await reader.return?.();
    });

    test("closes the connection when its reader leaves", async () => {
      await using it = await serving({ content: { size: 64 * 2 ** 20, seed: "large" } });
      for await (const _ of (await it.source.open(it.request, never)).body) break;
      await expect.poll(() => it.origin.requests()[0]?.end).toBe("left");
    });

    test.each<[string, Behaviour]>([
      ["reset", { resetAt: MIDDLE }],
      ["cut", { closeAt: MIDDLE }],
      ["cut between chunks", { closeAt: MIDDLE, framing: "chunked" }],
      ["shorter than announced", { truncateTo: MIDDLE, contentLength: CONTENT.size }],
    ])("reports a body that is %s as broken, after the bytes that came", async (_, behaviour) => {
      await using it = await serving(behaviour);
      const seen = await failureOf(async () => bytesOf(await it.source.open(it.request, never)));
      expect(seen.error.code).toBe("origin-broken");
      // A reset may throw away what waits in the reader's own buffers, no more.
      expect(seen.bytes.equals(WHOLE.subarray(0, seen.bytes.length))).toBe(true);
      expect(seen.bytes.length).toBeGreaterThan(behaviour.resetAt === undefined ? MIDDLE - 1 : MIDDLE - 512 * 1024);
      expect(it.origin.bytesSent()).toBe(MIDDLE);
    });

    test("reports silence as a time-out: before the head, before the first byte, within the body", async () => {
      const silence = new Promise(() => {});
      await using it = await serving({ holdHeaders: silence }, { stallAt: 0 }, { stallAt: MIDDLE });
      for (const expected of [0, 0, MIDDLE]) {
        const seen = await failureOf(async () => bytesOf(await it.source.open(it.request, never)));
        expect(seen.error.code).toBe("origin-timeout");
        expect(seen.bytes.length).toBe(expected);
      }
      await expect.poll(() => it.origin.openConnections).toBe(0);
    });

    test("tells what the origin refuses from what it fails at", async () => {
      await using it = await serving({ status: 404 }, { status: 503, retryAfter: 7 }, { status: 429, retryAfter: 9 });
      const opened = () => failureOf(async () => bytesOf(await it.source.open(it.request, never)));
      expect((await opened()).error).toMatchObject({ code: "origin-refused", originStatus: 404 });
      expect((await opened()).error).toMatchObject({ code: "origin-failed", originStatus: 503, retryAfter: 7 });
      expect((await opened()).error).toMatchObject({ code: "origin-failed", originStatus: 429, retryAfter: 9 });
    });

    test("stops with the signal's reason, wherever it is, and leaves no connection open", async () => {
      await using it = await serving({ holdHeaders: new Promise(() => {}) }, { stallAt: MIDDLE });
      const reason = new CisternError("fill-cancelled", "enough");
      await expect(it.source.open(it.request, AbortSignal.abort(reason))).rejects.toBe(reason);
      expect(it.origin.requests()).toHaveLength(0);

      const early = new AbortController();
      const waiting = it.source.open(it.request, early.signal);
      await it.origin.requested("/blob", 1);
      early.abort(reason);
      await expect(waiting).rejects.toBe(reason);

      const late = new AbortController();
      const answer = await it.source.open(it.request, late.signal);
      const reading = bytesOf(answer);
      await it.origin.requested("/blob", 2);
      late.abort(reason);
      await expect(reading).rejects.toMatchObject({ cause: reason });
      await expect.poll(() => it.origin.openConnections).toBe(0);
    });

    test("asks for the size without the bytes, and does not know what the origin does not tell", async () => {
      await using it = await serving();
      expect((await it.source.head(it.request, never)).size).toBe(CONTENT.size);
      it.origin.behave("/blob", { headStatus: 405 });
      expect((await it.source.head(it.request, never)).size).toBeUndefined();
      it.origin.behave("/blob", { framing: "chunked" });
      expect((await it.source.head(it.request, never)).size).toBeUndefined();
      expect(it.origin.bytesSent()).toBe(0);
    });
  });
}

async function bytesOf(answer: SourceAnswer): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of answer.body) chunks.push(chunk);
  } catch (error) {
    throw new Interrupted(error, Buffer.concat(chunks));
  }
  return Buffer.concat(chunks);
}

/** A body's error, with the bytes that came before it. */
class Interrupted extends Error {
  readonly bytes: Buffer;

  constructor(cause: unknown, bytes: Buffer) {
    super("the body was interrupted", { cause });
    this.bytes = bytes;
  }
}

async function failureOf(attempt: () => Promise<unknown>): Promise<{ error: CisternError; bytes: Buffer }> {
  try {
    await attempt();
  } catch (thrown) {
    const error = thrown instanceof Interrupted ? thrown.cause : thrown;
    if (!isCisternError(error)) throw error;
    return { error, bytes: thrown instanceof Interrupted ? thrown.bytes : Buffer.alloc(0) };
  }
  throw new Error("it succeeded");
}

/** The value when it has stayed the same over ten looks. */
async function settled(look: () => number): Promise<number> {
  let last = look();
  let same = 0;
  await expect
    .poll(
      () => {
        const now = look();
        same = now === last ? same + 1 : 0;
        last = now;
        return same;
      },
      { interval: 30, timeout: 20_000 },
    )
    .toBeGreaterThanOrEqual(10);
  return last;
}
