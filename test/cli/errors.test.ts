import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../support/free-port.ts";
import { runCli } from "./run-cli.ts";
import { type Answerer, answerJson, startWireServer } from "./wire-server.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-cli-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** `cistern ls` against a server that answers like this, without and with `--json`. */
async function lsAgainst(answer: Answerer, env: Record<string, string> = {}) {
  await using server = await startWireServer(answer);
  const options = { env: { CISTERN_URL: server.url, CISTERN_DATA_DIR: folder, ...env } };
  const plain = await runCli(["ls"], options);
  const json = await runCli(["ls", "--json"], options);
  return { plain, json, error: JSON.parse(json.stdout).error, seen: server.seen };
}

describe("an error", () => {
  test("of a server that is not there says how to start it", async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const result = await runCli(["ls", "--url", url]);
    expect(result).toMatchObject({ code: 5, stdout: "" });
    expect(result.stderr).toBe(
      `cistern: nothing listens at ${url}\n  is Cistern running? start it with: npm start (another address: --url or CISTERN_URL)\n`,
    );
  });

  test("of a host name that does not exist names the option", async () => {
    const result = await runCli(["ls", "--url", "http://cistern.invalid", "--json"]);
    expect(result).toMatchObject({ code: 5, stderr: "" });
    expect(JSON.parse(result.stdout)).toEqual({
      error: expect.objectContaining({ code: "unreachable", hint: expect.stringContaining("--url"), exit: 5 }),
    });
  });

  test("401 without a token says where the admin's lies", async () => {
    const { plain, error, seen } = await lsAgainst((_request, response) =>
      answerJson(response, 401, { code: 401, title: "Unauthorized", explanation: "a token is needed" }),
    );
    expect(seen[0]?.headers.authorization).toBeUndefined();
    expect(plain).toMatchObject({ code: 4, stdout: "" });
    expect(plain.stderr).toContain("cistern: a token is needed\n");
    expect(plain.stderr).toContain(`no token was sent: give one with --token or CISTERN_TOKEN`);
    expect(plain.stderr).toContain(join(folder, "admin-token"));
    expect(error).toMatchObject({ code: "http-401", status: 401, message: "a token is needed", exit: 4 });
  });

  test("of several fields tells each once", async () => {
    const errors = [
      { field: "access", rule: "is required" },
      { field: "content", rule: "is required" },
    ];
    const { plain } = await lsAgainst((_request, response) =>
      answerJson(response, 400, { code: "invalid-input", detail: "access: is required (and 1 more)", errors }),
    );
    expect(plain).toMatchObject({ code: 2, stderr: "cistern: access: is required\n  content: is required\n" });
  });

  test("403 by a decision does not blame the token", async () => {
    const { plain } = await lsAgainst((_request, response) =>
      answerJson(response, 403, { code: "policy-denied", title: "Forbidden", status: 403, detail: "a rule denies it" }),
    );
    expect(plain).toMatchObject({ code: 4, stderr: expect.stringMatching(/\n {2}cistern policy explain tells which/) });
    expect(plain.stderr).not.toContain("too little");
  });

  test("wrong usage names the help of the command that was meant", async () => {
    expect((await runCli(["cache", "pin", "--url", "http://127.0.0.1:1"])).stderr).toContain(
      "cistern cache pin --help",
    );
    expect((await runCli(["fill"])).stderr).toContain("\n  cistern fill --help tells more\n");
  });

  test("401 with a token says where that token came from, and not the token", async () => {
    await writeFile(join(folder, "admin-token"), "sesame-sesame-sesame\n");
    const { plain, json, seen } = await lsAgainst((_request, response) => answerJson(response, 401, {}));
    expect(seen[0]?.headers.authorization).toBe("Bearer sesame-sesame-sesame");
    expect(plain.stderr).toContain(`the token from ${join(folder, "admin-token")} is not accepted`);
    expect(plain.stderr + json.stdout).not.toContain("sesame");
  });

  test("of a broken field names the field and the rule", async () => {
    const errors = [{ field: "query.limit", rule: "must be at most 1000" }];
    const { plain, error } = await lsAgainst((_request, response) =>
      answerJson(response, 422, {
        code: "invalid-input",
        title: "Invalid input",
        detail: "query.limit is wrong",
        errors,
      }),
    );
    expect(plain).toMatchObject({ code: 2 });
    expect(plain.stderr).toContain("query.limit: must be at most 1000");
    expect(error).toMatchObject({ code: "invalid-input", message: "query.limit is wrong", fields: errors });
  });

  test("of a single broken field is said once, and is wrong usage", async () => {
    const errors = [{ field: "location.sha256", rule: "must be 64 hexadecimal digits" }];
    const explanation = "location.sha256: must be 64 hexadecimal digits";
    const { plain, error } = await lsAgainst((_request, response) =>
      answerJson(response, 400, { code: 400, explanation, error: { code: "invalid-input" }, errors }),
    );
    expect(plain).toMatchObject({ code: 2, stderr: `cistern: ${explanation}\n` });
    expect(error).toMatchObject({ code: "invalid-input", fields: errors, exit: 2 });
  });

  test.each([
    [403, "address-not-allowed", "CISTERN_ORIGIN_ALLOW"],
    [403, "host-not-allowed", "CISTERN_ORIGIN_HOSTS"],
    [403, "forbidden", "the token from --token"],
    [404, "path-not-found", "CISTERN_ADMIN_LISTEN"],
    [502, "digest-mismatch", "cistern rm"],
    [502, "origin-refused", "check its URL"],
    [503, "catalog-unavailable", "/readyz"],
  ])("%i %s says what to do about it", async (status, code, hint) => {
    await using server = await startWireServer((_request, response) => answerJson(response, status, { code }));
    const result = await runCli(["ls", "--url", server.url, "--token", "sesame", "--json"]);
    expect(JSON.parse(result.stdout).error).toMatchObject({ code, hint: expect.stringContaining(hint) });
  });

  test("404 of what is not Cistern asks whether it is", async () => {
    const { error } = await lsAgainst((_request, response) => void response.writeHead(404).end("not here"));
    expect(error).toMatchObject({ code: "http-404", hint: expect.stringContaining("--url") });
  });

  test("of something that is not Cistern says so", async () => {
    const { plain, error } = await lsAgainst((_request, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>It works</h1>");
    });
    expect(plain).toMatchObject({ code: 1 });
    expect(plain.stderr).toContain("does not answer like Cistern");
    expect(error.code).toBe("unexpected-answer");
  });

  test("of a connection that breaks in the middle says so", async () => {
    const { plain, error } = await lsAgainst((_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("{", () => response.destroy());
    });
    expect(plain).toMatchObject({ code: 5 });
    expect(error.code).toBe("connection-broken");
  });

  test("of redirects that go round ends", async () => {
    const { plain, seen } = await lsAgainst((_request, response) => {
      response.writeHead(302, { location: "/again" }).end();
    });
    expect(plain.code).toBe(1);
    expect(seen.length).toBeLessThan(20);
  });
});

describe("wrong usage", () => {
  test.each([
    [["fetch"], "unknown command"],
    [["get"], "missing required argument"],
    [["add", "http://a.example/x.qcow2", "--size", "1k"], "must be a number of bytes"],
    [["add", "http://a.example/x.qcow2", "--mirror", "eu"], "must be NAME=URL"],
    [["add", "http://a.example/x.qcow2", "--type", "murano"], "Allowed choices are images, files"],
    [["add", "http://a.example/"], "no file name"],
    [["add", "http://a.example/x.img"], "tells the disk format"],
    [["token", "create", "ci", "--expires", "30d"], "ISO 8601"],
    [["token", "create", "ci", "--role", "root"], "Allowed choices"],
    [["ls", "--url", "127.0.0.1:8080"], "is not the URL of a server"],
    [["ls", "--token", "a b"], "the token from --token"],
    [[], "no command"],
  ])("%j ends with 2 before anything is asked: %s", async (args, message) => {
    const result = await runCli(args, { cwd: folder });
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain(message);
    const json = await runCli([...args, "--json"], { cwd: folder });
    expect(json).toMatchObject({ code: 2, stderr: "" });
    expect(JSON.parse(json.stdout).error).toMatchObject({ message: expect.stringContaining(message), exit: 2 });
  });

  test("help and version are none", async () => {
    const help = await runCli(["--help"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("Exit codes:");
    expect(await runCli(["get", "--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("--output") });
    expect(await runCli(["--version"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
});

describe("cistern config", () => {
  test("shows what is in force and where from", async () => {
    const env = { CISTERN_LISTEN: "0.0.0.0:80", CISTERN_ADMIN_TOKEN: "sesame-sesame-sesame", CISTERN_DATA_DIR: folder };
    const plain = await runCli(["config"], { env });
    expect(plain).toMatchObject({ code: 0, stderr: "" });
    expect(plain.stdout).toMatch(/^CISTERN_LISTEN +0\.0\.0\.0:80 +environment +host:port/m);
    expect(plain.stdout).toMatch(/^CISTERN_MODE +cache +default /m);
    const json = await runCli(["config", "--json"], { env });
    expect(JSON.parse(json.stdout).settings).toMatchObject({
      CISTERN_LISTEN: { value: "0.0.0.0:80", source: "environment" },
      CISTERN_DATA_DIR: { value: folder, source: "environment" },
    });
    expect(plain.stdout + json.stdout).not.toContain("sesame");
  });

  test("shows a cluster without its secrets", async () => {
    const env = {
      CISTERN_DATA_DIR: folder,
      DATABASE_URL: "postgres://cistern:sesame@db.example/cistern?sslpassword=sesame",
      CISTERN_S3_ENDPOINT: "https://s3.example",
      CISTERN_S3_BUCKET: "artifacts",
      CISTERN_S3_ACCESS_KEY: "sesame",
      CISTERN_S3_SECRET_KEY: "sesame",
      CISTERN_REPLICA_URL: "http://10.0.0.5:8080",
      CISTERN_CLUSTER_SECRET: "sesame-sesame-sesame-sesame-sesame",
      CISTERN_ADMIN_TOKEN: "sesame-sesame-sesame",
    };
    const plain = await runCli(["config"], { env });
    expect(plain).toMatchObject({ code: 0, stderr: "" });
    expect(plain.stdout).toMatch(/^DATABASE_URL +postgres:\/\/cistern:\*\*\*@db\.example\/cistern/m);
    const json = await runCli(["config", "--json"], { env });
    expect(JSON.parse(json.stdout)).toMatchObject({
      kind: "cluster",
      settings: { CISTERN_S3_ENDPOINT: { value: "https://s3.example", source: "environment" } },
    });
    expect(plain.stdout + json.stdout).not.toContain("sesame");
  });

  test("lists every mistake at once, and ends with 2", async () => {
    const env = { CISTERN_LISEN: "x", CISTERN_MODE: "fast", CISTERN_DATA_DIR: folder };
    const plain = await runCli(["config"], { env });
    expect(plain).toMatchObject({ code: 2, stdout: "" });
    expect(plain.stderr).toContain("CISTERN_LISEN: is not a variable of Cistern: did you mean CISTERN_LISTEN?");
    expect(plain.stderr).toContain("CISTERN_MODE: must be one of cache, proxy, redirect");
    const json = await runCli(["config", "--json"], { env });
    expect(JSON.parse(json.stdout).error).toMatchObject({ code: "invalid-config", exit: 2 });
    expect(JSON.parse(json.stdout).error.fields).toHaveLength(2);
  });
});
