import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Waiter, WakeList } from "../../src/cache/wake-list.ts";

function waiters(count: number, fresh: boolean): Waiter[] {
  return Array.from({ length: count }, () => ({ fresh, wake: undefined }));
}

test("readers without a first byte are woken first, 16 a turn", async () => {
  const list = new WakeList();
  const woken: string[] = [];
  for (const old of waiters(20, false)) void list.wait(old).then(() => woken.push("old"));
  for (const fresh of waiters(20, true)) void list.wait(fresh).then(() => woken.push("fresh"));
  list.wakeAll();
  await Promise.resolve();
  await Promise.resolve();
  expect(woken).toEqual(Array.from({ length: 16 }, () => "fresh"));
  await turn();
  await turn();
  await turn();
  expect(woken.filter((kind) => kind === "fresh").length).toBe(20);
  expect(woken.length).toBe(40);
  expect(woken.lastIndexOf("fresh")).toBeLessThan(20);
});

test("progress that comes while a loop runs wakes who began to wait meanwhile", async () => {
  const list = new WakeList();
  for (const old of waiters(40, false)) void list.wait(old);
  list.wakeAll();
  let late = false;
  const [waiter] = waiters(1, true);
  if (waiter === undefined) throw new Error("no waiter");
  void list.wait(waiter).then(() => {
    late = true;
  });
  list.wakeAll();
  for (let count = 0; count < 6 && !late; count += 1) await turn();
  expect(late).toBe(true);
});
