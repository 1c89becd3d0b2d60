import postgres from "postgres";
import { expect, test } from "vitest";
import { describeOnPostgres } from "../../catalog/postgres/server.ts";
import { startProgram, untilReady } from "../../support/child-program.ts";
import { LAUNCHER, runCli } from "../run-cli.ts";

/** A whole configuration of a replica; of all this the command uses the database alone. */
const clusterOf = (url: string): Readonly<Record<string, string>> => ({
  DATABASE_URL: url,
  CISTERN_DATA_DIR: "/nowhere",
  CISTERN_ADMIN_TOKEN: "an-admin-token-for-tests",
  CISTERN_CACHE_BYTES: "1GiB",
  CISTERN_HOT_BYTES: "1GiB",
  CISTERN_SPOOL_BYTES: "1GiB",
  CISTERN_S3_ENDPOINT: "http://s3.test:9000",
  CISTERN_S3_BUCKET: "cistern",
  CISTERN_S3_ACCESS_KEY: "access",
  CISTERN_S3_SECRET_KEY: "a-secret-key-for-tests",
  CISTERN_REPLICA_URL: "http://replica.test:8080",
  CISTERN_CLUSTER_SECRET: "a-cluster-secret-that-is-long-enough",
});

test("migrate without a database says that there is nothing to do for it", async () => {
  const result = await runCli(["migrate", "--json"]);
  expect(result.code).toBe(2);
  const { error } = JSON.parse(result.stdout);
  expect(error).toMatchObject({ code: "invalid-config", fields: [{ field: "DATABASE_URL" }] });
});

describeOnPostgres("migrate", (server) => {
  test("brings an empty database up to date, and tells when it is", async () => {
    const env = clusterOf(await server().createDatabase());
    const first = await runCli(["migrate"], { env });
    expect(first).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^the schema is up to date: \d+ migrations applied\n$/),
    });
    expect(first.stderr).toMatch(/^applying 0000_catalog\napplying 0001_cluster\n/);
    expect(await runCli(["migrate"], { env })).toMatchObject({
      code: 0,
      stdout: "the schema is up to date\n",
      stderr: "",
    });
    const json = await runCli(["migrate", "--json"], { env });
    expect(json).toMatchObject({ code: 0, stdout: '{"applied":[]}\n', stderr: "" });
  });

  test("of five processes at once one applies each migration", async () => {
    const env = clusterOf(await server().createDatabase());
    const results = await Promise.all(Array.from({ length: 5 }, () => runCli(["migrate", "--json"], { env })));
    const applied: unknown[] = results.flatMap(({ stdout }) => JSON.parse(stdout).applied);
    expect(new Set(applied).size).toBe(applied.length);
    expect(applied).toContain("0001_cluster");
  });

  test("a wrong password is said without it", async () => {
    const url = new URL(server().url);
    url.password = "hunter2hunter2";
    const result = await runCli(["migrate", "--json"], { env: clusterOf(url.href) });
    expect(result.code).toBe(2);
    expect(result.stdout + result.stderr).not.toContain("hunter2");
    expect(JSON.parse(result.stdout).error.fields).toEqual([
      { field: "DATABASE_URL", rule: "the server does not accept its password" },
    ]);
  });

  test.each([
    ["killed", "SIGKILL", null],
    ["interrupted", "SIGINT", 130],
  ] as const)("%s while others are at it, it leaves no lock", async (_, signal, code) => {
    const url = await server().createDatabase();
    const env = clusterOf(url);
    const sql = postgres(url, { max: 2 });
    const others = await sql.reserve();
    await others`begin`;
    await others`select pg_advisory_xact_lock(${0x63697374})`;
    await using program = await startProgram(LAUNCHER, ["migrate"], { env: { PATH: process.env.PATH, ...env } });
    await untilReady(program, async () => (await sql`select 1 from pg_locks where not granted`).length === 1, 20_000);
    expect((await program.kill(signal)).code).toBe(code);
    expect(program.output()).toBe(signal === "SIGINT" ? "cistern: interrupted\n" : "");
    await others`rollback`;
    others.release();
    expect(await runCli(["migrate"], { env })).toMatchObject({ code: 0 });
    await sql.end();
  });
});
