import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { findCredential } from "../../src/cli/credential.ts";

const HERE = new URL("http://127.0.0.1:8080");
let folder = "";
let environment: Record<string, string> = {};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-credential-"));
  environment = { CISTERN_DATA_DIR: folder };
  await writeFile(join(folder, "admin-token"), "of-the-directory\n");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("the option wins over the variable, the variable over the file, the file over the data directory", async () => {
  const file = join(folder, "other");
  await writeFile(file, "of-the-file\n");
  expect(findCredential(undefined, HERE, environment).token).toBe("of-the-directory");
  expect(findCredential(undefined, HERE, { ...environment, CISTERN_TOKEN_FILE: file }).token).toBe("of-the-file");
  const both = { ...environment, CISTERN_TOKEN_FILE: file, CISTERN_TOKEN: "of-the-variable" };
  expect(findCredential(undefined, HERE, both)).toMatchObject({ token: "of-the-variable", from: "CISTERN_TOKEN" });
  expect(findCredential("of-the-option", HERE, both)).toMatchObject({ token: "of-the-option", from: "--token" });
});

test.each(["http://127.0.0.1:1", "http://127.9.9.9", "http://localhost:8080", "http://[::1]:8080"])(
  "the data directory's token goes to this machine: %s",
  (url) => {
    expect(findCredential(undefined, new URL(url), environment).token).toBe("of-the-directory");
  },
);

test.each(["http://cistern.example", "http://127.0.0.1.example", "http://10.0.0.1:8080", "http://localhost.example"])(
  "the data directory's token goes to no other: %s",
  (url) => {
    expect(findCredential(undefined, new URL(url), environment)).toMatchObject({ token: undefined, from: "nowhere" });
  },
);

test("no file is no error: a server may take the request without a token", () => {
  const { token, adminTokenFile } = findCredential(undefined, HERE, { CISTERN_DATA_DIR: join(folder, "none") });
  expect(token).toBeUndefined();
  expect(adminTokenFile).toBe(join(folder, "none", "admin-token"));
});

test("a token that no header can carry, and a token file that is not there, are told at once", () => {
  expect(() => findCredential("a\nb", HERE, environment)).toThrow("--token");
  expect(() => findCredential(undefined, HERE, { CISTERN_TOKEN_FILE: join(folder, "none") })).toThrow("cannot read");
});
