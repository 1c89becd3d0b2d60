import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTextArray } from "../../src/catalog/text-array.ts";

/** As Postgres writes an array of text: array_out quotes what would be read otherwise. */
function written(values: readonly string[]): string {
  const element = (value: string) =>
    value === "" || /[{}",\\\s]/.test(value) || /^null$/i.test(value)
      ? `"${value.replace(/["\\]/g, (character) => `\\${character}`)}"`
      : value;
  return `{${values.map(element).join(",")}}`;
}

test("any list of texts comes back as it was written", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), (values) => {
      expect(parseTextArray(written(values))).toEqual(values);
    }),
  );
});

test.each([
  ["{}", []],
  ["{a}", ["a"]],
  ['{"",b}', ["", "b"]],
  [String.raw`{"c\\d","say \"hi\"","{x}","a,b"}`, ["c\\d", 'say "hi"', "{x}", "a,b"]],
])("%s is read as Postgres means it", (literal, values) => {
  expect(parseTextArray(literal)).toEqual(values);
});
