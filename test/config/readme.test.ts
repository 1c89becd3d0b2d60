import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { VARIABLES } from "../../src/config/variables.ts";

test("the README's tables list every variable with its default and its meaning, and no other", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const rows = [...readme.matchAll(/^\| `((?:CISTERN|DATABASE)_\w+)` \| `?([^|`]+)`? \| ([^|]+) \|$/gm)];
  const listed = rows.map(([, name, fallback, meaning]) => ({ name, fallback, meaning }));
  expect(listed).toEqual(VARIABLES.map(({ name, fallback, meaning }) => ({ name, fallback, meaning })));
});
