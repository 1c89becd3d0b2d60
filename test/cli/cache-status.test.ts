import { expect, test } from "vitest";
import { parseCacheStatus } from "../../src/cli/cache-status.ts";

test.each([
  ["Cistern; hit", "hit"],
  ["Cistern;hit", "hit"],
  ["Cistern; fwd=miss; detail=fill", "fill"],
  ["Cistern; fwd=miss; collapsed; detail=follow", "follow"],
  ["Edge; hit, Cistern; fwd=miss; detail=fill", "fill"],
  ["Cistern; hit, Edge; fwd=miss", "hit"],
])("%s is a %s", (header, outcome) => {
  expect(parseCacheStatus(header)).toBe(outcome);
  expect(parseCacheStatus(header.split(", "))).toBe(outcome);
});

test.each([undefined, "", "Edge; hit", "Cistern", "CisternX; hit"])("%j says nothing of ours", (header) => {
  expect(parseCacheStatus(header)).toBeUndefined();
});
