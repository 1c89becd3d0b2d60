import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hasMinio, startMinio } from "../../support/s3-servers.ts";
import { nameOf } from "../object-name.ts";
import { s3UnderTest } from "./s3-under-test.ts";

const MIB = 1 << 20;
const SIZE = 512 * MIB;
const never = new AbortController().signal;

describe.skipIf(!hasMinio)("memory", () => {
  test("does not grow with what is uploaded and read", { timeout: 120_000 }, async () => {
    await using server = await startMinio();
    await using under = await s3UnderTest(server);
    const before = process.memoryUsage.rss();
    let highest = before;
    const timer = setInterval(() => {
      highest = Math.max(highest, process.memoryUsage.rss());
    }, 5);
    await using spool = await under.spool();
    const name = nameOf(Buffer.from("stands for half a gibibyte"));
    const block = Buffer.alloc(MIB, "block");
    {
      await using staging = under.store.stage(name, spool, SIZE);
      for (let offset = 0; offset < SIZE; offset += MIB) {
        await spool.append(block);
        staging.advance(spool.written);
      }
      await spool.seal();
      await staging.commit(never);
    }
    await using opened = await under.store.open(name, SIZE);
    const hash = createHash("sha256");
    const into = Buffer.alloc(MIB);
    for (let offset = 0; offset < SIZE; offset += MIB) {
      await opened?.read(into, offset);
      hash.update(into);
    }
    clearInterval(timer);
    const expected = createHash("sha256");
    for (let offset = 0; offset < SIZE; offset += MIB) expected.update(block);
    expect(hash.digest("hex")).toBe(expected.digest("hex"));
    expect((highest - before) / MIB).toBeLessThan(100);
  });
});
