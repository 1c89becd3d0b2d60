import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import type { Environment } from "../../src/config/env.ts";
import { isCisternError } from "../../src/domain/errors.ts";
import { requireProgram } from "../support/programs.ts";
import { makeCertificate, openssl } from "./make-certificate.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-tls-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function load(environment: Environment) {
  return loadConfig(environment, () => ({ free: 1e12, held: 0 }));
}

function problemsOf(environment: Environment) {
  try {
    load(environment);
  } catch (error) {
    if (isCisternError(error, "invalid-config")) return error.fields;
    throw error;
  }
  throw new Error("it loaded");
}

describe.skipIf(!requireProgram("openssl"))("TLS (openssl)", () => {
  test("takes a certificate and its key, by absolute paths", () => {
    const { certFile, keyFile } = makeCertificate(folder, "own");
    const config = load({ CISTERN_TLS_CERT: relative(".", certFile), CISTERN_TLS_KEY: keyFile });
    expect(config.http.tls).toEqual({ certFile, keyFile });
  });

  test("refuses one of the two alone", () => {
    const { certFile, keyFile } = makeCertificate(folder, "alone");
    expect(problemsOf({ CISTERN_TLS_CERT: certFile })).toEqual([
      { field: "CISTERN_TLS_KEY", rule: "must be set together with CISTERN_TLS_CERT" },
    ]);
    expect(problemsOf({ CISTERN_TLS_KEY: keyFile })).toEqual([
      { field: "CISTERN_TLS_CERT", rule: "must be set together with CISTERN_TLS_KEY" },
    ]);
  });

  test("refuses a key that is another certificate's", () => {
    const { certFile } = makeCertificate(folder, "one");
    const { keyFile } = makeCertificate(folder, "two");
    expect(problemsOf({ CISTERN_TLS_CERT: certFile, CISTERN_TLS_KEY: keyFile })).toEqual([
      { field: "CISTERN_TLS_KEY", rule: expect.stringContaining("is not the key of the certificate") },
    ]);
  });

  test("refuses files in each other's place, an encrypted key, and what is no PEM, without quoting it", async () => {
    const { certFile, keyFile } = makeCertificate(folder, "swapped");
    expect(problemsOf({ CISTERN_TLS_CERT: keyFile, CISTERN_TLS_KEY: certFile })).toEqual([
      { field: "CISTERN_TLS_CERT", rule: expect.stringContaining("no certificate") },
      { field: "CISTERN_TLS_KEY", rule: expect.stringContaining("no private key") },
    ]);
    const locked = join(folder, "locked.key");
    openssl(["pkcs8", "-topk8", "-in", keyFile, "-passout", "pass:sesame", "-out", locked]);
    expect(problemsOf({ CISTERN_TLS_CERT: certFile, CISTERN_TLS_KEY: locked })).toEqual([
      { field: "CISTERN_TLS_KEY", rule: expect.stringContaining("unencrypted") },
    ]);
    const text = join(folder, "text");
    await writeFile(text, "sesame");
    const problems = problemsOf({ CISTERN_TLS_CERT: text, CISTERN_TLS_KEY: "sesame" });
    expect(problems.map(({ field }) => field)).toEqual(["CISTERN_TLS_CERT", "CISTERN_TLS_KEY"]);
    expect(JSON.stringify(problems)).not.toContain("sesame");
  });
});
