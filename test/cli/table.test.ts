import { expect, test } from "vitest";
import { printable, table } from "../../src/cli/table.ts";

test("columns are as wide as their widest cell, and nothing is padded at the end", () => {
  const text = table(
    ["ID", "NAME"],
    [
      ["12345", "a"],
      ["1", ""],
    ],
  );
  expect(text).toBe("ID     NAME\n12345  a\n1");
});

test("control characters of others do not reach the terminal", () => {
  expect(printable("a\u001b[2Jb\r\n\u009bc\u007f")).toBe("a?[2Jb???c?");
});
