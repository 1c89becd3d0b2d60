import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCisternError } from "../../src/domain/errors.ts";
import { equalJson, type JsonValue } from "../../src/domain/json.ts";
import { applyPatch, parsePatch } from "../../src/domain/json-patch.ts";

const patched = (document: JsonValue, ...operations: unknown[]) =>
  JSON.parse(JSON.stringify(applyPatch(document, parsePatch(operations))));

describe("a JSON patch", () => {
  // RFC 6902, appendix A
  test.each<[string, JsonValue, unknown[], JsonValue]>([
    ["adds a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
    [
      "adds an element",
      { foo: ["bar", "baz"] },
      [{ op: "add", path: "/foo/1", value: "qux" }],
      { foo: ["bar", "qux", "baz"] },
    ],
    ["removes a member", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
    ["removes an element", { foo: ["bar", "qux", "baz"] }, [{ op: "remove", path: "/foo/1" }], { foo: ["bar", "baz"] }],
    [
      "replaces",
      { baz: "qux", foo: "bar" },
      [{ op: "replace", path: "/baz", value: "boo" }],
      { baz: "boo", foo: "bar" },
    ],
    [
      "moves a member",
      { foo: { bar: "baz", waldo: "fred" }, qux: { corge: "grault" } },
      [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
      { foo: { bar: "baz" }, qux: { corge: "grault", thud: "fred" } },
    ],
    [
      "moves an element",
      { foo: ["all", "grass", "cows", "eat"] },
      [{ op: "move", from: "/foo/1", path: "/foo/3" }],
      { foo: ["all", "cows", "eat", "grass"] },
    ],
    [
      "tests",
      { baz: "qux", foo: ["a", 2, "c"] },
      [
        { op: "test", path: "/baz", value: "qux" },
        { op: "test", path: "/foo/1", value: 2 },
      ],
      { baz: "qux", foo: ["a", 2, "c"] },
    ],
    [
      "adds a nested object",
      { foo: "bar" },
      [{ op: "add", path: "/child", value: { grandchild: {} } }],
      { foo: "bar", child: { grandchild: {} } },
    ],
    [
      "ignores members it does not know",
      { foo: "bar" },
      [{ op: "add", path: "/baz", value: "qux", xyz: 123 }],
      { foo: "bar", baz: "qux" },
    ],
    ["unescapes ~1 after ~0", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
    [
      "adds at the end of a list",
      { foo: ["bar"] },
      [{ op: "add", path: "/foo/-", value: ["abc", "def"] }],
      { foo: ["bar", ["abc", "def"]] },
    ],
    [
      "copies",
      { a: { b: 1 } },
      [
        { op: "copy", from: "/a", path: "/c" },
        { op: "replace", path: "/c/b", value: 2 },
      ],
      { a: { b: 1 }, c: { b: 2 } },
    ],
    ["replaces the whole", { a: 1 }, [{ op: "replace", path: "", value: [1] }], [1]],
  ])("%s", (_what, document, operations, result) => {
    expect(patched(document, ...operations)).toEqual(result);
  });

  test.each<[unknown, string]>([
    [{ op: "add", path: "/baz/bat", value: "qux" }, "patch.0.path"],
    [{ op: "remove", path: "/nothing" }, "patch.0.path"],
    [{ op: "replace", path: "/nothing", value: 1 }, "patch.0.path"],
    [{ op: "replace", path: "/list/2", value: 1 }, "patch.0.path"],
    [{ op: "add", path: "/list/9", value: 1 }, "patch.0.path"],
    [{ op: "add", path: "/list/01", value: 1 }, "patch.0.path"],
    [{ op: "replace", path: "/list/-", value: 1 }, "patch.0.path"],
    [{ op: "test", path: "/foo", value: "baz" }, "patch.0"],
    [{ op: "test", path: "/list/0", value: "1" }, "patch.0"],
    [{ op: "add", path: "/x" }, "patch.0.value"],
    [{ op: "add", path: "x", value: 1 }, "patch.0.path"],
    [{ op: "add", path: "/~2", value: 1 }, "patch.0.path"],
    [{ op: "add", value: 1 }, "patch.0.path"],
    [{ op: "spin", path: "/foo" }, "patch.0.op"],
    [{ path: "/foo" }, "patch.0.op"],
    [{ op: "move", from: "/list", path: "/list/0" }, "patch.0.path"],
    [{ op: "move", path: "/x" }, "patch.0.from"],
    [{ op: "copy", from: "/nothing", path: "/x" }, "patch.0.from"],
    [{ op: "remove", path: "" }, "patch.0.path"],
    [{ op: "remove", path: "/toString" }, "patch.0.path"],
    ["add", "patch.0"],
    [null, "patch.0"],
  ])("%j is refused at %s, and changes nothing", (operation, field) => {
    const document = { foo: "bar", list: [1, 2] };
    const before = structuredClone(document);
    try {
      patched(document, operation);
      expect.unreachable();
    } catch (error) {
      if (!isCisternError(error, "invalid-input")) throw error;
      expect(error.fields[0]?.field).toBe(field);
    }
    expect(document).toEqual(before);
  });

  test("cannot reach an object's prototype", () => {
    const result = applyPatch({ a: {} }, parsePatch([{ op: "add", path: "/a/__proto__", value: { polluted: true } }]));
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
    expect(JSON.stringify(result)).toBe('{"a":{"__proto__":{"polluted":true}}}');
    expect(() => patched({ a: {} }, { op: "add", path: "/constructor/prototype/x", value: 1 })).toThrow(
      /does not exist/,
    );
  });

  test("that copies itself into itself ends before memory does", () => {
    const doubling = Array.from({ length: 100 }, (_, index) => ({ op: "copy", from: "", path: `/a${index}` }));
    expect(() => patched({ a: 1 }, ...doubling)).toThrow(/too large/);
    expect(() => parsePatch(Array.from({ length: 101 }, () => ({ op: "remove", path: "/a" })))).toThrow(/at most 100/);
  });

  test("of any JSON is applied or refused by name, and leaves the document as it was", () => {
    const pointer = fc.oneof(
      fc.string(),
      fc
        .array(fc.constantFrom("a", "b", "0", "1", "-", "__proto__", "~0"), { maxLength: 4 })
        .map((tokens) => tokens.map((token) => `/${token}`).join("")),
    );
    const operation = fc.record(
      {
        op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "nonsense"),
        path: pointer,
        from: pointer,
        value: fc.jsonValue({ maxDepth: 3 }),
      },
      { requiredKeys: [] },
    );
    const document = fc.constant<JsonValue>({ a: [1, { b: null }], b: { a: "x", "0": [] } });
    fc.assert(
      fc.property(document, fc.oneof(fc.jsonValue(), fc.array(operation, { maxLength: 5 })), (given, patch) => {
        const before = structuredClone(given);
        try {
          applyPatch(given, parsePatch(patch));
        } catch (error) {
          expect(isCisternError(error, "invalid-input") && error.fields[0]?.field).toMatch(/^patch/);
        }
        expect(given).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });

  test("undoes an addition by its removal", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer()), fc.string(), fc.integer(), (document, name, value) => {
        fc.pre(!Object.hasOwn(document, name));
        const path = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
        const result = applyPatch(
          document,
          parsePatch([
            { op: "add", path, value },
            { op: "test", path, value },
            { op: "remove", path },
          ]),
        );
        expect(equalJson(result, document)).toBe(true);
      }),
    );
  });
});
