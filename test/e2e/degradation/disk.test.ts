import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePostgres } from "../../support/postgres.ts";
import { hasMinio } from "../../support/s3-servers.ts";
import { mayMount, type SmallDisk, smallDisk } from "../../support/small-disk.ts";
import { expectWhole, type Seen, startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";

const MIB = 1024 * 1024;
const able = requirePostgres() && hasMinio && (await mayMount());

describe.skipIf(!able)("two replicas, and the disk of the second one is full", () => {
  let disk: SmallDisk;
  let two: TwoReplicas;

  beforeAll(async () => {
    disk = await smallDisk(192 * MIB);
    two = await startTwoReplicas({
      dataDirs: [undefined, disk.path],
      // The disk is what ends first.
      env: { CISTERN_SPOOL_BYTES: "1GiB", CISTERN_HOT_BYTES: "1GiB" },
    });
  }, 120_000);
  afterAll(async () => {
    await two?.[Symbol.asyncDispose]();
    await disk?.[Symbol.asyncDispose]();
  }, 60_000);

  const readers = (replica: number, path: string): Promise<Seen[]> =>
    Promise.all([1, 2, 3].map(() => two.read(replica, path)));
  const both = async (path: string) => (await Promise.all([readers(0, path), readers(1, path)])).flat();

  test("all is served by both, what the other one fetches is kept, and this one keeps again when there is room", async () => {
    const content = (seed: string, size: number) => ({ seed, size });
    const [hot, cool] = [content("hot", 4 * MIB), content("cool", 20 * MIB)];
    const [here, there, all] = [content("here", 40 * MIB), content("there", 40 * MIB), content("all", 24 * MIB)];
    const paths = {
      hot: await two.register("hot", hot),
      cool: await two.register("cool", cool),
      here: await two.register("here", here),
      there: await two.register("there", there),
      all: await two.register("all", all),
    };
    for (const replica of [0, 1]) expectWhole(await two.read(replica, paths.hot), hot);
    expectWhole(await two.read(0, paths.cool), cool);
    await two.nothingLeft();
    await disk.fill();

    for (const seen of await both(paths.hot)) expectWhole(seen, hot);
    // From the bucket, without a copy here.
    for (const seen of await both(paths.cool)) expectWhole(seen, cool);
    expect(two.origin.requests("/cool.img").length).toBe(1);

    // Fetched by the one that has room: kept, and the other one reads along in a window of memory.
    two.origin.behave("/there.img", { rate: 16 * MIB });
    const ofOther = readers(0, paths.there);
    await two.origin.requested("/there.img");
    for (const seen of [...(await readers(1, paths.there)), ...(await ofOther)]) expectWhole(seen, there);
    expect(two.origin.requests("/there.img").length).toBe(1);
    await two.nothingLeft();
    for (const seen of await both(paths.there)) expectWhole(seen, there);
    expect(two.origin.requests("/there.img").length).toBe(1);

    // Fetched by the one that has none: passed through to the readers of both, and not kept.
    two.origin.behave("/here.img", { rate: 16 * MIB });
    const ofThis = readers(1, paths.here);
    await two.origin.requested("/here.img");
    for (const seen of [...(await readers(0, paths.here)), ...(await ofThis)]) expectWhole(seen, here);
    await two.nothingLeft();

    // Late for a window that has moved on.
    const begun = Promise.withResolvers<void>();
    two.origin.behave("/all.img", { rate: 6 * MIB });
    const onData = (_: Buffer, soFar: number) => {
      if (soFar > 19 * MIB) begun.resolve();
      return true;
    };
    const early = two.read(1, paths.all, { onData });
    await begun.promise;
    for (const seen of await Promise.all([two.read(1, paths.all), two.read(0, paths.all), early])) {
      expectWhole(seen, all);
    }
    await two.nothingLeft();

    await disk.relieve();
    const before = two.origin.requests("/here.img").length;
    for (const seen of await readers(1, paths.here)) expectWhole(seen, here);
    await expect
      .poll(async () => (await two.read(0, paths.here)).cacheStatus, { timeout: 30_000 })
      .toBe("Cistern; hit");
    expect(two.origin.requests("/here.img").length).toBeLessThanOrEqual(before + 1);
    for (const replica of [0, 1]) {
      await expect.poll(() => two.readiness(replica), { timeout: 20_000 }).toMatchObject({ bare: "200 ok" });
    }
    await two.nothingLeft();
  }, 240_000);
});
