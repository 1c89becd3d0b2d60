import { expect, test } from "vitest";
import { MAX_ASKERS, MAX_ASKERS_BYTES, readAskers, writeAskers } from "../../src/domain/askers-wire.ts";
import type { BlobId } from "../../src/domain/blob.ts";
import { mergeAskers, type RecentAsker } from "../../src/domain/recent-asker.ts";

function asker(
  address: string,
  more: { blob?: string; age?: number; token?: string; project?: string } = {},
): RecentAsker {
  const { blob = "b", age = 0, token: tokenId = "t", project = "p" } = more;
  return { principal: { tokenId, project, roles: ["reader"], address }, blob: blob as BlobId, age };
}

test("what one replica writes another reads", () => {
  const askers = [
    asker("10.0.0.1", { age: 12_345, project: 'ä"\u0001' }),
    asker("2001:db8::1", { token: "anonymous" }),
  ];
  expect(readAskers(writeAskers(askers))).toEqual(askers);
  expect(readAskers(writeAskers([]))).toEqual([]);
});

test("fields and roles of another version are passed over", () => {
  const text = writeAskers([asker("10.0.0.1")])
    .replace('"reader"', '"wizard","reader"')
    .replace("{", '{"more":1,');
  expect(readAskers(text)).toEqual([asker("10.0.0.1")]);
});

test.each([
  "",
  "{",
  "null",
  "[]",
  "{}",
  '{"askers":{}}',
  '{"askers":[null]}',
  ...["token", "project", "roles", "address", "blob", "age"].map((field) =>
    writeAskers([asker("10.0.0.1")]).replace(`"${field}"`, '"other"'),
  ),
  writeAskers([asker("10.0.0.1", { blob: "a\u0000" })]),
  writeAskers([asker("10.0.0.1"), asker("10.0.0.2", { blob: "" })]),
  writeAskers(Array.from({ length: MAX_ASKERS + 1 }, () => asker("10.0.0.1"))),
])("%.60s is not what a replica writes", (text) => {
  expect(readAskers(text)).toBeUndefined();
});

test("the longest answer fits", () => {
  const longest = asker("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", {
    token: "f".repeat(36),
    blob: "f".repeat(36),
    project: "\u0001".repeat(255),
    age: 86_400_000,
  });
  expect(writeAskers(Array.from({ length: MAX_ASKERS }, () => longest)).length).toBeLessThan(MAX_ASKERS_BYTES);
});

test("a client that asked several replicas is one, with what it asked for last", () => {
  const merged = mergeAskers([
    asker("10.0.0.1", { blob: "first", age: 30 }),
    asker("10.0.0.2", { blob: "only", age: 20 }),
    asker("10.0.0.1", { blob: "last", age: 10 }),
    asker("10.0.0.1", { blob: "another token's", age: 40, token: "u" }),
    asker("10.0.0.1", { blob: "between", age: 20 }),
  ]);
  expect(merged.map(({ blob }) => blob)).toEqual(["last", "only", "another token's"]);
});
