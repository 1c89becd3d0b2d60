import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadConfig } from "../src/config/config.ts";
import { openEngine } from "../src/engine.ts";

test("a replica leaves an embedded server's directory alone, before it asks database or bucket", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "cistern-engine-"));
  try {
    await mkdir(join(dataDir, "catalog"));
    const config = loadConfig({
      DATABASE_URL: "postgres://cistern:secret@db.invalid/cistern",
      CISTERN_S3_ENDPOINT: "http://s3.invalid:9000",
      CISTERN_S3_BUCKET: "cistern",
      CISTERN_S3_ACCESS_KEY: "access",
      CISTERN_S3_SECRET_KEY: "a-secret-key-for-tests",
      CISTERN_ADMIN_TOKEN: "an-admin-token-for-tests",
      CISTERN_REPLICA_URL: "http://replica.invalid:8080",
      CISTERN_CLUSTER_SECRET: "a-cluster-secret-that-is-long-enough",
      CISTERN_DATA_DIR: dataDir,
    });
    await using stack = new AsyncDisposableStack();
    await expect(openEngine(config, stack)).rejects.toMatchObject({
      code: "invalid-config",
      fields: [{ field: "CISTERN_DATA_DIR", rule: expect.stringContaining("a directory of its own") }],
    });
    expect(await readdir(dataDir)).toEqual(["catalog"]);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
});
