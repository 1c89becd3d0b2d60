import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig } from "../src/config/config.ts";
import { withLocalCatalog } from "../src/local.ts";

let dataDir = "";

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cistern-local-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

test("a catalog that is another user's is left alone: what would be written, the server could not read", async () => {
  await mkdir(join(dataDir, "catalog"));
  const { uid } = await stat(dataDir);
  const config = loadConfig({ CISTERN_DATA_DIR: dataDir });
  const opened = withLocalCatalog({ config, user: uid + 1 }, async () => "opened");
  await expect(opened).rejects.toMatchObject({
    code: "invalid-config",
    fields: [{ field: "CISTERN_DATA_DIR", rule: expect.stringContaining(`is user ${uid}'s`) }],
  });
  expect(await readdir(dataDir, { recursive: true })).toEqual(["catalog"]);
});

test("a failure of what is run is passed on, and the catalog can be opened again", async () => {
  await mkdir(join(dataDir, "catalog"));
  const options = { config: loadConfig({ CISTERN_DATA_DIR: dataDir }), user: undefined };
  const failed = withLocalCatalog(options, async () => {
    throw new Error("of the command");
  });
  await expect(failed).rejects.toThrow("of the command");
  expect(await withLocalCatalog(options, ({ tokens }) => tokens.list(1_000, undefined))).toEqual([]);
});
