import { expect, test } from "vitest";
import { type PartBuffer, PartBuffers } from "../../../src/store/s3/part-buffers.ts";

const MIB = 1 << 20;
const never = new AbortController().signal;

test("nobody gets more than there is, and who waits is served in line", async () => {
  const buffers = new PartBuffers(4 * MIB);
  const served: number[] = [];
  const held: PartBuffer[] = [];
  const takers = [2, 2, 3, 1, 4].map(async (mib, index) => {
    const buffer = await buffers.take(mib * MIB, never);
    served.push(index);
    held.push(buffer);
    expect(held.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(4 * MIB);
  });
  await Promise.all(takers.slice(0, 2));
  expect(served).toEqual([0, 1]);
  for (let index = 2; index < takers.length; index += 1) {
    while (held.length > 0) held.shift()?.[Symbol.dispose]();
    await takers[index];
  }
  expect(served).toEqual([0, 1, 2, 3, 4]);
});

test("memory is used again, once its user has given it back, and given back once", async () => {
  const buffers = new PartBuffers(2 * MIB);
  const first = await buffers.take(2 * MIB, never);
  const { bytes } = first;
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  using second = await buffers.take(2 * MIB, never);
  expect(second.bytes.buffer).toBe(bytes.buffer);
  await expect(buffers.take(1, AbortSignal.timeout(1))).rejects.toMatchObject({ name: "TimeoutError" });
});

test("who gives up lets the next one pass", async () => {
  const buffers = new PartBuffers(2 * MIB);
  using first = await buffers.take(MIB, never);
  const leaving = new AbortController();
  const large = buffers.take(2 * MIB, leaving.signal);
  const small = buffers.take(MIB, never);
  leaving.abort(new Error("enough"));
  await expect(large).rejects.toThrow("enough");
  using served = await small;
  expect(first.bytes.length + served.bytes.length).toBe(2 * MIB);
});

test("a part that never fits is refused", async () => {
  await expect(new PartBuffers(MIB).take(MIB + 1, never)).rejects.toThrow("larger than the memory");
});
