import { randomBytes } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { isCisternError } from "../../../src/domain/errors.ts";
import { keyOf } from "../../../src/store/s3/object-key.ts";
import { openS3Store } from "../../../src/store/s3/open-s3-store.ts";
import { contentOf } from "../../conformance/content-store.ts";
import { putObject } from "../../support/put-object.ts";
import { hasMinio, hasVersity, startMinio, startVersity } from "../../support/s3-servers.ts";
import { nameOf } from "../object-name.ts";
import { optionsFor, s3UnderTest, uploadsOf } from "./s3-under-test.ts";

const MIB = 1 << 20;
vi.setConfig({ testTimeout: 120_000 });
const never = new AbortController().signal;

describe.each([
  ["minio", hasMinio, startMinio],
  ["versitygw", hasVersity, startVersity],
])("%s that goes away", (_, installed, startServer) => {
  test.skipIf(!installed)("and comes back needs no hand: pings, reads and writes go on", async () => {
    await using server = await startServer();
    await using under = await s3UnderTest(server);
    const bytes = randomBytes(20 * MIB);
    const name = nameOf(bytes);
    await using spool = await under.spooled(bytes);
    await putObject(under.store, name, spool, never);
    await using opened = await under.store.open(name, bytes.length);
    const into = Buffer.alloc(MIB);
    await opened?.read(into, 0);

    await server.stop("SIGKILL");
    await expect(under.store.ping(never)).rejects.toMatchObject({ code: "store-unavailable" });
    await expect(under.store.open(name, bytes.length)).rejects.toMatchObject({ code: "store-unavailable" });
    await expect(under.store.remove(name)).rejects.toMatchObject({ code: "store-unavailable" });
    await expect(opened?.read(Buffer.alloc(19 * MIB), MIB)).rejects.toMatchObject({ code: "store-unavailable" });

    await server.start();
    await expect
      .poll(
        () =>
          under.store.ping(never).then(
            () => true,
            () => false,
          ),
        { timeout: 20_000 },
      )
      .toBe(true);
    expect(await opened?.read(into, 7 * MIB)).toBe(MIB);
    expect(into.equals(bytes.subarray(7 * MIB, 8 * MIB))).toBe(true);
    expect((await contentOf(under.store, name, bytes.length))?.equals(bytes)).toBe(true);
    await putObject(under.store, nameOf(bytes, 2), spool, never);
    expect((await contentOf(under.store, nameOf(bytes, 2), bytes.length))?.equals(bytes)).toBe(true);
  });

  test.skipIf(!installed)("in the middle of an upload costs that upload some time", async () => {
    await using server = await startServer();
    await using under = await s3UnderTest(server);
    const bytes = randomBytes(50 * MIB);
    await using spool = await under.spooled(bytes);
    await using staging = under.store.stage(nameOf(bytes), spool, bytes.length);
    staging.advance(20 * MIB);
    await expect.poll(() => uploadsOf(under.store)).toBe(1);
    await server.stop("SIGKILL");
    staging.advance(40 * MIB);
    const committed = staging.commit(never);
    await server.start();
    await committed;
    expect((await contentOf(under.store, nameOf(bytes), bytes.length))?.equals(bytes)).toBe(true);
    // The Versity Gateway may keep the directory of an upload in whose middle it died.
    await under.store.sweep(new Date(Date.now() + 3_600_000), never);
    expect(await uploadsOf(under.store)).toBe(0);
  });

  test.skipIf(!installed)("is waited for at start", async () => {
    await using server = await startServer();
    await server.stop();
    const opening = openS3Store(optionsFor(server), never);
    await server.start();
    await using store = await opening;
    await store.ping(never);
  });

  test.skipIf(!installed)(
    "sweeps the uploads of replicas that are dead, not younger ones and not what is not ours",
    async () => {
      await using server = await startServer();
      await using under = await s3UnderTest(server);
      for (const key of [keyOf(nameOf(randomBytes(8))), keyOf(nameOf(randomBytes(8))), "somebody/elses"]) {
        await under.store.session.call(never, (client, bucket) => client.initiateNewMultipartUpload(bucket, key, {}));
      }
      expect(await under.store.sweep(new Date(Date.now() - 3_600_000), never)).toBe(0);
      expect(await uploadsOf(under.store)).toBe(3);
      expect(await under.store.sweep(new Date(Date.now() + 3_600_000), never)).toBe(2);
      expect(await uploadsOf(under.store)).toBe(1);
    },
  );

  test.skipIf(!installed)(
    "has swept an upload that was alive after all: its commit fails or all of it is there",
    async () => {
      await using server = await startServer();
      await using under = await s3UnderTest(server);
      const bytes = randomBytes(40 * MIB);
      await using spool = await under.spooled(bytes);
      await using staging = under.store.stage(nameOf(bytes), spool, bytes.length);
      staging.advance(20 * MIB);
      await expect.poll(() => uploadsOf(under.store)).toBe(1);
      await under.store.sweep(new Date(Date.now() + 3_600_000), never);
      const outcome = await staging.commit(never).then(
        () => "committed",
        (error: unknown) => (isCisternError(error, "store-unavailable") ? "refused" : error),
      );
      // A part that was on its way when the upload was aborted revives it at the Versity Gateway.
      const content = await contentOf(under.store, nameOf(bytes), bytes.length);
      const whole = content?.equals(bytes);
      expect([outcome, whole]).toEqual(content === undefined ? ["refused", undefined] : ["committed", true]);
    },
  );
});
