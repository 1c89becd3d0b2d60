import { expect, test } from "vitest";
import { OpenObjects } from "../../src/cache/open-objects.ts";
import type { Fence, ObjectName } from "../../src/domain/content.ts";
import type { ContentStore, StoredObject } from "../../src/domain/content-store.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { CisternError } from "../../src/domain/errors.ts";

const ONE: ObjectName = { sha256: sha256("ab".repeat(32)), fence: 1 as Fence };
const NEXT: ObjectName = { ...ONE, fence: 2 as Fence };

function counting(open: OpenObjects, answer: () => Promise<StoredObject | undefined>): ContentStore {
  const none = (): never => expect.unreachable("not asked here");
  return open.counting({ open: answer, stage: none, sweep: none, ping: none, remove: none, list: none });
}

function object(): StoredObject {
  return { size: 5, read: async (into) => into.fill(7).length, [Symbol.asyncDispose]: async () => undefined };
}

test("an object is open from before it is looked for until its last reader has closed it", async () => {
  const open = new OpenObjects();
  const { promise, resolve } = Promise.withResolvers<StoredObject | undefined>();
  const store = counting(open, () => promise);
  const opening = [store.open(ONE, 5), store.open(ONE, 5), store.open(NEXT, 5)];
  expect(open.list()).toEqual([ONE, NEXT]);
  resolve(object());
  const [first, second, other] = await Promise.all(opening);
  expect([first?.size, await first?.read(Buffer.alloc(3), 0)]).toEqual([5, 3]);
  await other?.[Symbol.asyncDispose]();
  await first?.[Symbol.asyncDispose]();
  await first?.[Symbol.asyncDispose]();
  expect(open.list()).toEqual([ONE]);
  await second?.[Symbol.asyncDispose]();
  expect(open.list()).toEqual([]);
});

test("what is not there, or cannot be had, is not open", async () => {
  const open = new OpenObjects();
  expect(await counting(open, async () => undefined).open(ONE, 5)).toBeUndefined();
  const failing = counting(open, () => Promise.reject(new CisternError("store-unavailable", "away")));
  await expect(failing.open(ONE, 5)).rejects.toMatchObject({ code: "store-unavailable" });
  expect(open.list()).toEqual([]);
});
