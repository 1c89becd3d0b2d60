import { expect, test } from "vitest";
import { OlderAnswers } from "../../src/cache/older-answers.ts";
import { CisternError } from "../../src/domain/errors.ts";
import { ManualClock } from "../support/manual-clock.ts";

const away = () => Promise.reject<string>(new CisternError("catalog-unavailable", "away"));

function setUp() {
  const clock = new ManualClock();
  return { clock, answers: new OlderAnswers(clock) };
}

test("what the catalog answers is preferred to what it has answered", async () => {
  const { answers } = setUp();
  expect(await answers.choose(Promise.resolve("new"), "old")).toBe("new");
});

test("an older answer serves while the catalog is away; without one that is told", async () => {
  const { answers } = setUp();
  expect(await answers.choose(away(), "old")).toBe("old");
  await expect(answers.choose(away(), undefined)).rejects.toMatchObject({ code: "catalog-unavailable" });
});

test("a catalog that hangs keeps one reader half a second, and those after it not at all", async () => {
  const { clock, answers } = setUp();
  const asked = Promise.withResolvers<string>();
  const first = answers.choose(asked.promise, "old");
  await expect.poll(() => clock.sleeping).toBe(1);
  clock.advance(500);
  expect(await first).toBe("old");
  expect(await answers.choose(asked.promise, "old")).toBe("old");
  expect(clock.sleeping).toBe(0);
  // It goes on: from now on its answers are waited for again.
  asked.resolve("new");
  await asked.promise;
  await expect.poll(() => answers.choose(Promise.resolve("newer"), "old")).toBe("newer");
});

test("whoever has no older answer waits for the catalog as long as it takes", async () => {
  const { clock, answers } = setUp();
  const asked = Promise.withResolvers<string>();
  const waiting = answers.choose(asked.promise, undefined);
  clock.advance(60_000);
  asked.resolve("new");
  expect(await waiting).toBe("new");
});

test("any other failure is told, older answer or not", async () => {
  const { answers } = setUp();
  const failure = Promise.reject<string>(new CisternError("internal", "a fault"));
  await expect(answers.choose(failure, "old")).rejects.toMatchObject({ code: "internal" });
});
