import { expect, test } from "vitest";
import { SealedAnswers } from "../../src/http/sealed-answer.ts";

test("an answer is opened with the same token and key, and with no other", () => {
  const mine = new SealedAnswers("token", "key");
  const sealed = mine.seal("cst_secret ü");
  expect(Buffer.from(sealed, "base64").toString("latin1")).not.toContain("cst_secret");
  expect(mine.seal("cst_secret ü")).not.toBe(sealed);
  expect(new SealedAnswers("token", "key").open(sealed)).toBe("cst_secret ü");
  for (const other of [new SealedAnswers("token", "other"), new SealedAnswers("other", "key")]) {
    expect(other.name).not.toBe(mine.name);
    expect(() => other.open(sealed)).toThrow();
  }
});
