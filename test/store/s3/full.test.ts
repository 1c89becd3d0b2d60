import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { contentOf } from "../../conformance/content-store.ts";
import { putObject } from "../../support/put-object.ts";
import { hasMinio, startMinio } from "../../support/s3-servers.ts";
import { mayMount, smallDisk } from "../../support/small-disk.ts";
import { nameOf } from "../object-name.ts";
import { s3UnderTest } from "./s3-under-test.ts";

const MIB = 1 << 20;
const never = new AbortController().signal;

test.skipIf(!hasMinio || !(await mayMount()))(
  "a MinIO whose disk is full says so, keeps what it has, and takes content again when there is room",
  { timeout: 60_000 },
  async () => {
    await using disk = await smallDisk(512 * MIB);
    await using server = await startMinio({ directory: disk.path });
    await using under = await s3UnderTest(server, { retryMs: 500 });
    const bytes = randomBytes(10 * MIB);
    await using spool = await under.spooled(bytes);
    await putObject(under.store, nameOf(bytes, 1), spool, never);
    await disk.fill();
    await expect(putObject(under.store, nameOf(bytes, 2), spool, never)).rejects.toMatchObject({ code: "spool-full" });
    // MinIO does not tell why when it cannot begin an upload in parts: that is doubt.
    await using large = await under.spooled(Buffer.alloc(20 * MIB));
    await expect(putObject(under.store, nameOf(bytes, 3), large, never)).rejects.toMatchObject({
      code: "store-unavailable",
    });
    expect((await contentOf(under.store, nameOf(bytes, 1), bytes.length))?.equals(bytes)).toBe(true);
    await disk.relieve();
    await expect
      .poll(() => putObject(under.store, nameOf(bytes, 2), spool, never).then(() => "taken", String), {
        timeout: 30_000,
      })
      .toBe("taken");
    expect((await contentOf(under.store, nameOf(bytes, 2), bytes.length))?.equals(bytes)).toBe(true);
  },
);
