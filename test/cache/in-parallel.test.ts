import { expect, test } from "vitest";
import { inParallel } from "../../src/cache/in-parallel.ts";

const never = new AbortController().signal;

test("runs so many at a time, and all of them", async () => {
  let [running, most] = [0, 0];
  const done: number[] = [];
  const items = Array.from({ length: 20 }, (_, index) => index);
  const run = async (item: number) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise(setImmediate);
    running -= 1;
    done.push(item);
  };
  await inParallel(items, 3, run, never);
  expect(done.sort((a, b) => a - b)).toEqual(items);
  expect(most).toBe(3);
});

test("the first failure ends the others by their signal, and is thrown when they have ended", async () => {
  let ended = 0;
  const run = async (item: number, signal: AbortSignal) => {
    if (item === 2) throw new Error("the second");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended += 1;
    throw new Error("ended");
  };
  await expect(inParallel([1, 2, 3, 4], 3, run, never)).rejects.toThrow("the second");
  expect(ended).toBe(1);
});

test("a failure of the items themselves, and the signal, are thrown", async () => {
  async function* broken() {
    yield 1;
    throw new Error("no more");
  }
  await expect(inParallel(broken(), 3, async () => undefined, never)).rejects.toThrow("no more");
  const gone = AbortSignal.abort(new Error("gone"));
  await expect(inParallel([1], 3, async () => undefined, gone)).rejects.toThrow("gone");
});
