import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { DigestEngine } from "../../../src/store/hasher/digest-engine.ts";
import { WorkerHasher } from "../../../src/store/hasher/worker-hasher.ts";

/** Makes a worker fail: a slot that does not exist. */
function kill(engine: DigestEngine): void {
  const [lane] = engine.join({ fail: () => undefined }, ["sha256"]);
  lane?.post({ kind: "update", stream: -1, slot: 1_000_000, length: 1 });
}

test("a worker that dies fails the streams of that moment, and later ones work", async () => {
  const engines: DigestEngine[] = [];
  await using hasher = new WorkerHasher(() => {
    const engine = new DigestEngine(1);
    engines.push(engine);
    return engine;
  });
  const hashing = hasher.start(["md5"]);
  const bystander = hasher.start([]);
  await hashing.update(Buffer.from("abc"));
  await hashing.prefix();
  const [engine] = engines;
  if (engine === undefined) throw new Error("no engine was made");
  kill(engine);
  await expect(hashing.finish()).rejects.toMatchObject({ code: "internal" });
  await expect(hashing.update(Buffer.from("d"))).rejects.toMatchObject({ code: "internal" });
  await expect(bystander.prefix()).rejects.toMatchObject({ code: "internal" });
  const next = hasher.start([]);
  await next.update(Buffer.from("abc"));
  expect((await next.finish()).sha256).toBe(createHash("sha256").update("abc").digest("hex"));
  expect(engines).toHaveLength(2);
});
