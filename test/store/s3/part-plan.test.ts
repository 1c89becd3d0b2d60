import fc from "fast-check";
import { expect, test } from "vitest";
import { type Part, PartPlan } from "../../../src/store/s3/part-plan.ts";

const MIB = 1 << 20;
const LARGEST = 64 * MIB;

function cut(plan: PartPlan, size: number): Part[] {
  const parts: Part[] = [];
  for (let part = plan.next(size, true); part !== undefined; part = plan.next(size, true)) parts.push(part);
  return parts;
}

test("parts cover every byte once, in order, however the bytes arrive", () => {
  const sizes = fc.integer({ min: 1, max: 1 << 30 });
  fc.assert(
    fc.property(sizes, fc.boolean(), fc.array(sizes, { maxLength: 20 }), (size, announced, steps) => {
      const plan = new PartPlan(8 * MIB, LARGEST, announced ? size : undefined);
      const parts: Part[] = [];
      for (const step of steps.toSorted((a, b) => a - b).filter((bytes) => bytes <= size)) {
        for (let part = plan.next(step, false); part !== undefined; part = plan.next(step, false)) parts.push(part);
      }
      parts.push(...cut(plan, size));
      let end = 0;
      for (const [index, { number, offset, length }] of parts.entries()) {
        expect([number, offset]).toEqual([index + 1, end]);
        end += length;
        if (end < size) expect(length).toBe(8 * MIB);
      }
      expect(end).toBe(size);
    }),
  );
});

test("an announced size of 400 GiB fits into 10,000 parts, all of one size", () => {
  const parts = cut(new PartPlan(16 * MIB, LARGEST, 400 * 1024 * MIB), 400 * 1024 * MIB);
  expect(parts.length).toBeLessThanOrEqual(10_000);
  expect(new Set(parts.slice(0, -1).map(({ length }) => length)).size).toBe(1);
});

test("so does one that nobody announced", () => {
  expect(cut(new PartPlan(16 * MIB, LARGEST, undefined), 400 * 1024 * MIB).length).toBeLessThanOrEqual(10_000);
});

test("what S3 cannot take is refused, not cut off", () => {
  expect(() => cut(new PartPlan(16 * MIB, LARGEST, undefined), 1024 * 1024 * MIB)).toThrow("more than 10000 parts");
});
