import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ClusterConfig, loadConfig } from "../../src/config/config.ts";
import type { Environment } from "../../src/config/env.ts";
import { CLUSTER_NAMES, CLUSTER_SWITCHES, SECRET_NAMES } from "../../src/config/variables.ts";
import { type FieldProblem, isCisternError } from "../../src/domain/errors.ts";
import { requireProgram } from "../support/programs.ts";
import { makeCertificate } from "./make-certificate.ts";

const TERABYTE = { free: 8e11, held: 2e11 };

/** What a replica needs, and nothing else. */
const NEEDED = {
  DATABASE_URL: "postgres://cistern:hunter2@db.example:5432/cistern",
  CISTERN_S3_ENDPOINT: "http://s3.example:9000",
  CISTERN_S3_BUCKET: "artifacts",
  CISTERN_S3_ACCESS_KEY: "access",
  CISTERN_S3_SECRET_KEY: "sesame-open",
  CISTERN_REPLICA_URL: "http://10.0.0.5:8080",
  CISTERN_CLUSTER_SECRET: "0123456789abcdef0123456789abcdef",
  CISTERN_ADMIN_TOKEN: "0123456789abcdef",
} as const;
const NEEDED_NAMES = Object.keys(NEEDED);

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-config-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function load(environment: Environment): ClusterConfig {
  const config = loadConfig(environment, () => TERABYTE);
  if (config.kind !== "cluster") throw new Error("it is embedded");
  return config;
}

function problemsOf(environment: Environment): readonly FieldProblem[] {
  try {
    loadConfig(environment, () => TERABYTE);
  } catch (error) {
    if (isCisternError(error, "invalid-config")) return error.fields;
    throw error;
  }
  throw new Error("it loaded");
}

describe("a cluster's configuration", () => {
  test("needs no more than what is required; the rest has defaults", () => {
    expect(load(NEEDED)).toMatchObject({
      kind: "cluster",
      dataDir: resolve("data"),
      adminToken: NEEDED.CISTERN_ADMIN_TOKEN,
      limits: { cacheBytes: 2 ** 40, hotBytes: 5e11, spoolBytes: 2e11, maxUploadBytes: 2e11 },
      database: { url: NEEDED.DATABASE_URL, poolSize: 10, caFile: undefined },
      s3: {
        endpoint: "http://s3.example:9000",
        bucket: "artifacts",
        accessKey: "access",
        secretKey: "sesame-open",
        sessionToken: undefined,
        region: "us-east-1",
        pathStyle: true,
        caFile: undefined,
      },
      replica: { url: "http://10.0.0.5:8080", secret: NEEDED.CISTERN_CLUSTER_SECRET },
    });
  });

  test.skipIf(!requireProgram("openssl"))("takes every setting (openssl)", () => {
    const { certFile } = makeCertificate(folder, "ca");
    const config = load({
      ...NEEDED,
      CISTERN_DATABASE_POOL: "25",
      CISTERN_DATABASE_CA: certFile,
      CISTERN_S3_ENDPOINT: "https://S3.example/",
      CISTERN_S3_SESSION_TOKEN: "a+session/token==",
      CISTERN_S3_REGION: "eu-central-1",
      CISTERN_S3_PATH_STYLE: "false",
      CISTERN_S3_CA: certFile,
      CISTERN_HOT_BYTES: "10GiB",
      CISTERN_CACHE_BYTES: "2TiB",
      CISTERN_SPOOL_BYTES: "1GiB",
    });
    expect(config.database).toEqual({ url: NEEDED.DATABASE_URL, poolSize: 25, caFile: certFile });
    expect(config.s3).toMatchObject({
      endpoint: "https://s3.example",
      sessionToken: "a+session/token==",
      region: "eu-central-1",
      pathStyle: false,
      caFile: certFile,
    });
    expect(config.limits).toMatchObject({ cacheBytes: 2 ** 41, hotBytes: 10 * 2 ** 30, spoolBytes: 2 ** 30 });
    const set = CLUSTER_NAMES.filter((name) => config.sources[name] !== "environment");
    expect(set).toEqual([]);
  });

  test("does not measure the disk when the hot tier and the spool have their limits", () => {
    const measure = () => {
      throw new Error("measured");
    };
    const set = { ...NEEDED, CISTERN_HOT_BYTES: "1GiB", CISTERN_SPOOL_BYTES: "1GiB" };
    expect(loadConfig(set, measure).kind).toBe("cluster");
  });

  test.each(CLUSTER_SWITCHES)("is asked for by %s alone; everything that is missing is named then", (name) => {
    const problems = problemsOf({ [name]: NEEDED[name] });
    expect(problems.map(({ field }) => field).sort()).toEqual(NEEDED_NAMES.filter((other) => other !== name).sort());
    for (const { rule } of problems) expect(rule).toContain("must be set in cluster mode");
  });

  test("takes every secret from a file", async () => {
    const files = await Promise.all(
      Object.entries(NEEDED).map(async ([name, value]) => {
        if (!SECRET_NAMES.some((secret) => secret === name)) return [name, value];
        await writeFile(join(folder, name), `${value}\n`);
        return [`${name}_FILE`, join(folder, name)];
      }),
    );
    const config = load(Object.fromEntries(files));
    expect({ ...config, sources: undefined }).toEqual({ ...load(NEEDED), sources: undefined });
    expect(Object.entries(config.sources).flatMap(([name, source]) => (source === "file" ? [name] : []))).toEqual([
      "CISTERN_ADMIN_TOKEN",
      "DATABASE_URL",
      "CISTERN_S3_ACCESS_KEY",
      "CISTERN_S3_SECRET_KEY",
      "CISTERN_CLUSTER_SECRET",
    ]);
  });

  test("with a secret's file that cannot be read says so once, and does not call the secret missing", () => {
    const { DATABASE_URL: _, ...others } = NEEDED;
    const problems = [{ field: "DATABASE_URL_FILE", rule: "names a file that cannot be read (ENOENT)" }];
    expect(problemsOf({ ...others, DATABASE_URL_FILE: join(folder, "none") })).toEqual(problems);
    const alone = problemsOf({ DATABASE_URL_FILE: join(folder, "none") }).map(({ field }) => field);
    expect(alone.sort()).toEqual(Object.keys({ ...others, DATABASE_URL_FILE: "" }).sort());
  });
});

describe("in embedded mode", () => {
  test.each(CLUSTER_NAMES.filter((name) => !CLUSTER_SWITCHES.some((other) => other === name)))(
    "%s is a mistake",
    (field) => {
      expect(problemsOf({ [field]: "1" })).toEqual([
        { field, rule: expect.stringContaining("belongs to cluster mode") },
      ]);
    },
  );

  test("a secret of the cluster is a mistake by its file, too", async () => {
    const file = join(folder, "secret");
    await writeFile(file, NEEDED.CISTERN_CLUSTER_SECRET);
    expect(problemsOf({ CISTERN_CLUSTER_SECRET_FILE: file })).toEqual([
      { field: "CISTERN_CLUSTER_SECRET", rule: expect.stringContaining("belongs to cluster mode") },
    ]);
  });
});

test.each([
  ["DATABASE_URL", "mysql://u:hunter2@db/cistern", "postgres://"],
  ["DATABASE_URL", "postgres:///cistern?password=hunter2", "postgres://"],
  ["DATABASE_URL", "postgres://u:12#hunter2@db/cistern", "percent-encoded"],
  ["DATABASE_URL", "postgres://u:12/hunter2@db/cistern", "percent-encoded"],
  ["DATABASE_URL", "postgres://u:12?hunter2@db/cistern", "percent-encoded"],
  ["DATABASE_URL", "postgres://u:hunter2%@db/cistern", "percent-encoded"],
  ["DATABASE_URL", "postgres://u:hunter2@a:1,b:2/cistern", "one host"],
  ["DATABASE_URL", "postgres://u:hunter2 3@db/cistern", "percent-encoded"],
  ["CISTERN_DATABASE_POOL", "1", "from 2 to 100"],
  ["CISTERN_DATABASE_POOL", "101", "from 2 to 100"],
  ["CISTERN_DATABASE_CA", "/nowhere/ca.pem", "ENOENT"],
  ["CISTERN_S3_ENDPOINT", "s3.example:9000", "http or https"],
  ["CISTERN_S3_ENDPOINT", "http://s3.example/bucket", "without path"],
  ["CISTERN_S3_ENDPOINT", "http://s3.example/?x=hunter2", "query"],
  ["CISTERN_S3_ENDPOINT", "http://user:hunter2@s3.example", "user-info"],
  ["CISTERN_S3_BUCKET", "ab", "3 to 63"],
  ["CISTERN_S3_BUCKET", "Artifacts", "lower-case"],
  ["CISTERN_S3_BUCKET", "a..b", "single dots"],
  ["CISTERN_S3_BUCKET", "-artifacts", "3 to 63"],
  ["CISTERN_S3_BUCKET", "10.0.0.1", "no IP address"],
  ["CISTERN_S3_BUCKET", "xn--artifacts", "name of a bucket"],
  ["CISTERN_S3_BUCKET", "artifacts--x-s3", "name of a bucket"],
  ["CISTERN_S3_ACCESS_KEY", "hunter2/x", "without blanks and /"],
  ["CISTERN_S3_SECRET_KEY", "hunter2 x", "without blanks"],
  ["CISTERN_S3_SESSION_TOKEN", "hunter2 x", "without blanks"],
  ["CISTERN_S3_REGION", "eu central", "letters, digits"],
  ["CISTERN_S3_PATH_STYLE", "yes", "true, false"],
  ["CISTERN_S3_CA", "/nowhere/ca.pem", "ENOENT"],
  ["CISTERN_HOT_BYTES", "lots", "10GiB"],
  ["CISTERN_REPLICA_URL", "10.0.0.5:8080", "http or https"],
  ["CISTERN_REPLICA_URL", "http://10.0.0.5:8080/base", "without path"],
  ["CISTERN_REPLICA_URL", "http://0.0.0.0:8080", "not 0.0.0.0"],
  ["CISTERN_REPLICA_URL", "http://0:8080", "not 0.0.0.0"],
  ["CISTERN_REPLICA_URL", "http://[::]:8080", "not 0.0.0.0"],
  ["CISTERN_REPLICA_URL", "http://[::ffff:0.0.0.0]:8080", "not 0.0.0.0"],
  ["CISTERN_CLUSTER_SECRET", "hunter2-hunter2-hunter2-hunter2", "32 to 512"],
  ["CISTERN_ADMIN_TOKEN", "hunter2", "16 to 512"],
])("%s=%s is refused with a rule that says: %s", (field, value, rule) => {
  const problems = problemsOf({ ...NEEDED, [field]: value });
  expect(problems).toEqual([{ field, rule: expect.stringContaining(rule) }]);
  expect(JSON.stringify(problems)).not.toContain("hunter2");
});

test("a bucket with a dot goes into no host name under TLS", () => {
  const dotted = { ...NEEDED, CISTERN_S3_BUCKET: "my.artifacts", CISTERN_S3_PATH_STYLE: "false" };
  expect(load(dotted).s3.pathStyle).toBe(false);
  expect(problemsOf({ ...dotted, CISTERN_S3_ENDPOINT: "https://s3.example" })).toEqual([
    { field: "CISTERN_S3_BUCKET", rule: expect.stringContaining("must have no dot") },
  ]);
});

test.each(["http://127.0.0.1:1", "http://[::1]:8080", "https://replica-0.cistern.svc"])(
  "%s is a replica's URL",
  (CISTERN_REPLICA_URL) => {
    expect(load({ ...NEEDED, CISTERN_REPLICA_URL }).replica.url).toBe(CISTERN_REPLICA_URL);
  },
);

test("whatever the secrets are, no error quotes them", () => {
  const secrets = ["DATABASE_URL", "CISTERN_S3_ACCESS_KEY", "CISTERN_S3_SECRET_KEY", "CISTERN_CLUSTER_SECRET"] as const;
  const secret = fc.stringMatching(/^[ -~]{6,40}$/).map((text) => `q7z${text.replaceAll("q7z", "")}`);
  const shapes = fc.constantFrom(
    (text: string) => text,
    (text: string) => `postgres://u:${text}@db/cistern`,
    (text: string) => `postgres://db/${text}`,
    (text: string) => `postgres://db/cistern?sslpassword=${text}`,
  );
  fc.assert(
    fc.property(fc.constantFrom(...secrets), fc.boolean(), secret, shapes, (name, asFile, text, shape) => {
      try {
        loadConfig({
          ...NEEDED,
          [name]: asFile ? "" : shape(text),
          ...(asFile ? { [`${name}_FILE`]: shape(text) } : {}),
        });
      } catch (error) {
        if (!isCisternError(error, "invalid-config")) throw error;
        expect(JSON.stringify([error.message, error.fields])).not.toContain("q7z");
      }
    }),
    { numRuns: 300 },
  );
});
