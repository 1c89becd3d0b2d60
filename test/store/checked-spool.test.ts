import { randomBytes, randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckedSpool } from "../../src/store/checked-spool.ts";
import { StoredFile } from "../../src/store/stored-file.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const MIB = 1 << 20;

/** A stored file as a spool whose pieces have been read. */
async function spoolOf(bytes: Buffer) {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const path = join(directory.path, "object");
  await writeFile(path, bytes);
  const object = await StoredFile.open(path, bytes.length);
  if (object === undefined) throw new Error("the file is not there");
  stack.use(object);
  let end = 0;
  const spool = new CheckedSpool(object, (upTo) => {
    end = Math.max(end, upTo);
  });
  for (let at = 0; at < bytes.length; at += MIB) spool.note(bytes.subarray(at, at + MIB));
  return { spool, path, end: () => end, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test("reads at any offset and of any length, and tells how far", async () => {
  const bytes = randomBytes(3 * MIB + 17);
  await using under = await spoolOf(bytes);
  expect(under.spool.written).toBe(bytes.length);
  for (let count = 0; count < 60; count += 1) {
    const offset = randomInt(bytes.length);
    const into = Buffer.alloc(randomInt(1, 3 * MIB));
    const read = await under.spool.read(into, offset);
    expect(read).toBe(Math.min(into.length, bytes.length - offset));
    expect(into.subarray(0, read).equals(bytes.subarray(offset, offset + read))).toBe(true);
  }
  const whole = Buffer.alloc(bytes.length + 5);
  expect(await under.spool.read(whole, 0)).toBe(bytes.length);
  expect(whole.subarray(0, bytes.length).equals(bytes)).toBe(true);
  expect(under.end()).toBe(bytes.length);
  expect(await under.spool.read(whole, bytes.length)).toBe(0);
});

test("bytes that are others than at the first reading are not given out", async () => {
  const bytes = randomBytes(2 * MIB + 5);
  await using under = await spoolOf(bytes);
  await writeFile(under.path, Buffer.from([(bytes[MIB] ?? 0) ^ 1]), { flag: "r+" });
  const changed = Buffer.from(bytes);
  changed[MIB + 3] = (bytes[MIB + 3] ?? 0) ^ 1;
  await writeFile(under.path, changed, { flag: "r+" });
  expect(await under.spool.read(Buffer.alloc(MIB), 0)).toBe(MIB);
  for (const [length, offset] of [
    [MIB, MIB],
    [1, 2 * MIB - 1],
    [MIB + 10, 10],
  ] as const) {
    await expect(under.spool.read(Buffer.alloc(length), offset)).rejects.toMatchObject({ code: "store-unavailable" });
  }
});

test("the file itself is not to be taken, nor written", async () => {
  await using under = await spoolOf(Buffer.from("content"));
  expect(() => under.spool.path).toThrow("not to be taken");
  await expect(under.spool.append()).rejects.toMatchObject({ code: "internal" });
  await under.spool.discard();
  await under.spool.seal();
  expect(await under.spool.read(Buffer.alloc(7), 0)).toBe(7);
});
