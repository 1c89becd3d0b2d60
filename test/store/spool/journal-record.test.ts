import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { SpoolHeader } from "../../../src/domain/spool.ts";
import { type Checkpoint, checkpointLine, headerLine, parseJournal } from "../../../src/store/spool/journal-record.ts";

const headers: fc.Arbitrary<SpoolHeader> = fc.record({
  key: fc.string(),
  url: fc.string({ unit: "grapheme" }),
  validator: fc.option(fc.record({ kind: fc.constantFrom("etag", "last-modified"), value: fc.string() }), {
    nil: undefined,
  }),
  size: fc.option(fc.maxSafeNat(), { nil: undefined }),
});
const checkpoints: fc.Arbitrary<Checkpoint> = fc.record({
  offset: fc.maxSafeNat(),
  sha256: fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 64, maxLength: 64 }),
});

describe("a spool's journal", () => {
  test("gives back what was noted, and the last header counts", () => {
    fc.assert(
      fc.property(fc.array(headers, { minLength: 1 }), fc.array(checkpoints), (heads, points) => {
        const text = heads.map(headerLine).join("") + points.map(checkpointLine).join("");
        expect(parseJournal(text)).toEqual({ header: heads.at(-1), checkpoints: points });
      }),
    );
  });

  test("torn anywhere and written on, it tells nothing that was not noted", () => {
    fc.assert(
      fc.property(
        headers,
        fc.array(checkpoints, { minLength: 1 }),
        fc.nat(),
        checkpoints,
        (head, points, cut, more) => {
          const whole = Buffer.from(headerLine(head) + points.map(checkpointLine).join(""));
          const torn = whole.subarray(0, cut % whole.length).toString();
          const read = parseJournal(torn + checkpointLine(more));
          expect([undefined, head]).toContainEqual(read.header);
          expect(read.checkpoints.at(-1)).toEqual(more);
          expect([...points, more]).toEqual(expect.arrayContaining([...read.checkpoints]));
        },
      ),
    );
  });

  test("whatever else the file holds is passed over", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), headers, (rubbish, head) => {
        fc.pre(parseJournal(rubbish).header === undefined);
        expect(parseJournal(`${rubbish}${headerLine(head)}`).header).toEqual(head);
      }),
    );
    const wrong = ['{"offset":-1,"sha256":"00"}', '{"offset":1.5}', '{"key":1,"url":"x"}', "null", "[]", "1"];
    expect(parseJournal(wrong.join("\n"))).toEqual({ header: undefined, checkpoints: [] });
  });
});
