import { expect, test } from "vitest";
import { type CliResult, runCli } from "../run-cli.ts";
import { answerJson, startWireServer, type WireServer } from "../wire-server.ts";

function artifact(id: string, rest: object): object {
  return { id, name: `name-of-${id}`, version: "1.0.0", status: "active", visibility: "private", ...rest };
}

function run(server: WireServer, args: readonly string[]): Promise<CliResult> {
  return runCli(args, { env: { CISTERN_URL: server.url, CISTERN_TOKEN: "token-of-the-test" } });
}

test("ls goes through every page of every type", async () => {
  await using server = await startWireServer(({ path }, response) => {
    if (path.startsWith("/artifacts/files")) {
      const file = { url: "/artifacts/files/f1/file", size: 1024, external: false };
      return answerJson(response, 200, { artifacts: [artifact("f1", { file })], next: null });
    }
    if (path.includes("marker=i1")) return answerJson(response, 200, { artifacts: [artifact("i2", { image: null })] });
    const image = { url: "http://a.example/x?token=***", size: 5, sha256: "ab".repeat(32), external: true };
    const next = "/artifacts/images?limit=1000&marker=i1";
    return answerJson(response, 200, { artifacts: [artifact("i1", { image })], next });
  });
  const plain = await run(server, ["ls"]);
  expect(plain).toMatchObject({ code: 0, stderr: "" });
  expect(plain.stdout.split("\n").map((line) => line.replaceAll(/ +/g, " "))).toEqual([
    "ID TYPE NAME VERSION STATUS VISIBILITY SIZE SHA256 FROM",
    "i1 images name-of-i1 1.0.0 active private 5 B abababababab http://a.example/x?token=***",
    "i2 images name-of-i2 1.0.0 active private - - -",
    "f1 files name-of-f1 1.0.0 active private 1 KiB - uploaded",
    "",
  ]);
  const json = JSON.parse((await run(server, ["ls", "--json"])).stdout);
  expect(json.artifacts.map(({ id, type }: { id: string; type: string }) => [id, type])).toEqual([
    ["i1", "images"],
    ["i2", "images"],
    ["f1", "files"],
  ]);
  expect(JSON.parse((await run(server, ["ls", "--type", "files", "--json"])).stdout).artifacts).toHaveLength(1);
});

test("ls of nothing says how to begin, and is an empty list for a program", async () => {
  await using server = await startWireServer((_request, response) => answerJson(response, 200, { artifacts: [] }));
  const plain = await run(server, ["ls"]);
  expect(plain).toMatchObject({ code: 0, stdout: "", stderr: expect.stringContaining("cistern add URL") });
  expect(JSON.parse((await run(server, ["ls", "--json"])).stdout)).toEqual({ artifacts: [] });
});

test("ls shows no control character of a name", async () => {
  await using server = await startWireServer((_request, response) =>
    answerJson(response, 200, { artifacts: [artifact("i1", { name: "\u001b]0;owned\u0007\nx" })] }),
  );
  expect((await run(server, ["ls"])).stdout).toContain("?]0;owned??x");
});

test("rm deletes the one artifact of a name, and tells its id", async () => {
  await using server = await startWireServer(({ method, path }, response) => {
    if (method === "DELETE") return void response.writeHead(204).end();
    return answerJson(response, 200, { artifacts: path.startsWith("/artifacts/files") ? [artifact("f1", {})] : [] });
  });
  expect(await run(server, ["rm", "name-of-f1"])).toMatchObject({ code: 0, stdout: "deleted f1 (name-of-f1)\n" });
  expect(server.seen.at(-1)).toMatchObject({ method: "DELETE", path: "/artifacts/files/f1" });
  const json = await run(server, ["rm", "name-of-f1", "--json"]);
  expect(JSON.parse(json.stdout)).toEqual({ deleted: { id: "f1", type: "files", name: "name-of-f1" } });
});

test("rm of an unknown name deletes nothing", async () => {
  await using server = await startWireServer((_request, response) => answerJson(response, 200, { artifacts: [] }));
  expect(await run(server, ["rm", "nothing"])).toMatchObject({ code: 3 });
  expect(server.seen.every(({ method }) => method === "GET")).toBe(true);
});
