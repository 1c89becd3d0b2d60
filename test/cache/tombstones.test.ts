import { expect, test } from "vitest";
import { Tombstones } from "../../src/cache/tombstones.ts";
import type { BlobId } from "../../src/domain/blob.ts";

const BLOB = "b" as BlobId;

test("I1: a caller that was given wrong bytes cannot complete them with a range, until it begins anew", () => {
  const tombstones = new Tombstones();
  tombstones.bury([BLOB], new Set(["token 10.0.0.1"]));
  expect(() => tombstones.check(BLOB, "token 10.0.0.1", 4096)).toThrow(/delete the partial file/);
  expect(() => tombstones.check(BLOB, "token 10.0.0.2", 4096)).not.toThrow();
  tombstones.check(BLOB, "token 10.0.0.1", 0);
  expect(() => tombstones.check(BLOB, "token 10.0.0.1", 4096)).not.toThrow();
});
