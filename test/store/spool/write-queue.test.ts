import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { OpenFile } from "../../../src/store/open-file.ts";
import { Backlog } from "../../../src/store/spool/backlog.ts";
import { WriteQueue } from "../../../src/store/spool/write-queue.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const MIB = 1024 * 1024;

function queueOn(file: OpenFile, backlog = new Backlog()): WriteQueue {
  return new WriteQueue(
    file,
    0,
    backlog,
    () => undefined,
    () => undefined,
  );
}

/** Lets each write take at most the next of these numbers of bytes, as a disk does that is nearly full. */
function shortWrites(lengths: readonly number[]) {
  const real = fs.writev;
  let call = 0;
  return vi.spyOn(fs, "writev").mockImplementation(((
    fd: number,
    buffers: readonly NodeJS.ArrayBufferView[],
    at: number,
    done: (error: NodeJS.ErrnoException | null, bytes: number, buffers: readonly NodeJS.ArrayBufferView[]) => void,
  ) => {
    const all = Buffer.concat(buffers.map((view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)));
    real(fd, [all.subarray(0, lengths[call++] ?? all.length)], at, done);
  }) as typeof fs.writev);
}

describe("a queue of writes", () => {
  test("loses and repeats nothing when writes take less than they were given", async () => {
    await using directory = await temporaryDirectory();
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 20 });
    const takes = fc.array(fc.integer({ min: 1, max: 60 }));
    let run = 0;
    await fc.assert(
      fc.asyncProperty(chunks, takes, async (parts, lengths) => {
        const path = join(directory.path, String(run++));
        const file = await OpenFile.open(path, "wx", 0o600);
        const spy = shortWrites(lengths);
        try {
          const queue = queueOn(file);
          for (const part of parts) expect(queue.push(part)).toBeUndefined();
          await queue.drained();
          expect(queue.written).toBe(Buffer.concat(parts).length);
        } finally {
          spy.mockRestore();
          await file.close();
        }
        expect(await readFile(path)).toEqual(Buffer.concat(parts));
      }),
    );
  });

  test("what queues up behind a write goes out together, in writes of at most 1 MiB", async () => {
    await using directory = await temporaryDirectory();
    const file = await OpenFile.open(join(directory.path, "file"), "wx", 0o600);
    const spy = vi.spyOn(fs, "writev");
    try {
      const queue = queueOn(file);
      for (let count = 0; count < 49; count += 1) expect(queue.push(randomBytes(65_536))).toBeUndefined();
      await queue.drained();
      const lengths = spy.mock.calls.map(([, buffers]) => buffers.reduce((sum, view) => sum + view.byteLength, 0));
      expect(lengths).toEqual([65_536, MIB, MIB, MIB]);
    } finally {
      spy.mockRestore();
      await file.close();
    }
  });

  test("many files together hold a bounded number of unwritten bytes", async () => {
    await using directory = await temporaryDirectory();
    const backlog = new Backlog();
    const files = await Promise.all(
      Array.from({ length: 100 }, (_, index) => OpenFile.open(join(directory.path, String(index)), "wx", 0o600)),
    );
    const held: (() => void)[] = [];
    const real = fs.writev;
    const spy = vi.spyOn(fs, "writev").mockImplementation(((...given: Parameters<typeof fs.writev>) => {
      held.push(() => real(...given));
    }) as typeof fs.writev);
    const chunk = randomBytes(256 * 1024);
    const queues = files.map((file) => queueOn(file, backlog));
    let pushed = 0;
    for (const queue of queues) {
      for (let wait: Promise<void> | undefined; wait === undefined; pushed += chunk.length) wait = queue.push(chunk);
    }
    expect(pushed).toBeLessThan((64 + 8 + 25) * MIB);
    spy.mockRestore();
    for (const go of held) go();
    await Promise.all(queues.map((queue) => queue.drained()));
    await Promise.all(files.map((file) => file.close()));
  });
});
