import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Claim, FirstAnswers } from "../../src/domain/first-answers.ts";

export function firstAnswersConformance(name: string, make: () => FirstAnswers): void {
  describe(`${name} keeps first answers`, () => {
    test("of many who claim a key at once, one is first, and the others wait for its answer", async () => {
      const key = randomUUID();
      const claims = await Promise.all(Array.from({ length: 5 }, () => make().claim(key, "f")));
      expect(claims.map(({ kind }) => kind).sort()).toEqual(["first", "running", "running", "running", "running"]);
      await make().keep(key, claimOf(claims), "answer");
      expect(await make().claim(key, "f")).toEqual({ kind: "answered", answer: "answer" });
      expect(await make().claim(key, "g")).toEqual({ kind: "other" });
      expect(await make().claim(randomUUID(), "f")).toMatchObject({ kind: "first" });
    });

    test("what is released is the next one's; who released has no say any more", async () => {
      const key = randomUUID();
      const first = claimOf([await make().claim(key, "f")]);
      await make().release(key, randomUUID());
      expect(await make().claim(key, "f")).toEqual({ kind: "running" });
      await make().release(key, first);
      const second = claimOf([await make().claim(key, "g")]);
      await make().keep(key, first, "late");
      await make().release(key, first);
      expect(await make().claim(key, "g")).toEqual({ kind: "running" });
      await make().keep(key, second, "answer");
      expect(await make().claim(key, "g")).toEqual({ kind: "answered", answer: "answer" });
    });
  });
}

function claimOf(claims: readonly Claim[]): string {
  const first = claims.find((claim) => claim.kind === "first");
  if (first === undefined) throw new Error("nobody was the first");
  return first.claim;
}
