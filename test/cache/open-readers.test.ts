import { expect, test } from "vitest";
import type { BlobBody } from "../../src/cache/body.ts";
import { OpenReaders } from "../../src/cache/open-readers.ts";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { Fence } from "../../src/domain/content.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { CisternError } from "../../src/domain/errors.ts";

const ref = { artifactId: "a" as ArtifactId, field: "image", key: "" };
const digest = sha256("ab".repeat(32));
const object = { sha256: digest, fence: 7 as Fence };
const failure = new CisternError("content-blocked", "blocked");

function someBody() {
  const log: string[] = [];
  const waiting = Promise.withResolvers<void>();
  const body: BlobBody = {
    async next() {
      await waiting.promise;
      return { chunks: [Buffer.from("x")], bytes: 1, release: () => void log.push("released") };
    },
    [Symbol.dispose]: () => void log.push("closed"),
  };
  return { body, log, give: waiting.resolve };
}

test("readers are found by their content and by their object, as long as they read", () => {
  const readers = new OpenReaders();
  const stored = readers.watch(someBody().body, ref, "c", () => ({ sha256: digest, object }));
  let known: typeof digest | undefined;
  readers.watch(someBody().body, ref, "d", () => ({ sha256: known, object: undefined }));
  expect(readers.of(digest).map(({ caller }) => caller)).toEqual(["c"]);
  known = digest;
  expect(readers.of(digest).map(({ caller }) => caller)).toEqual(["c", "d"]);
  expect(readers.ofObject(object).map(({ caller }) => caller)).toEqual(["c"]);
  expect(readers.ofObject({ ...object, fence: 8 as Fence })).toEqual([]);
  stored[Symbol.dispose]();
  expect(readers.of(digest).map(({ caller }) => caller)).toEqual(["d"]);
});

test("who waits for bytes when it is cut gets none, and holds none", async () => {
  const readers = new OpenReaders();
  const { body, log, give } = someBody();
  using reader = readers.watch(body, ref, "c", () => ({ sha256: digest, object }));
  const told: CisternError[] = [];
  reader.onCut((error) => void told.push(error));
  const next = reader.next(10);
  for (const one of readers.of(digest)) one.cut(failure);
  give();
  await expect(next).rejects.toBe(failure);
  await expect(reader.next(10)).rejects.toBe(failure);
  expect([told, log]).toEqual([[failure], ["released"]]);
});

test("who begins to write only then is told at once", () => {
  const readers = new OpenReaders();
  const reader = readers.watch(someBody().body, ref, "c", () => ({ sha256: digest, object }));
  for (const one of readers.of(digest)) one.cut(failure);
  const told: CisternError[] = [];
  reader.onCut((error) => void told.push(error));
  expect(told).toEqual([failure]);
});
