import { describe, expect, test } from "vitest";
import { type CliResult, runCli } from "../run-cli.ts";
import { type Answerer, answerJson, startWireServer, type WireServer } from "../wire-server.ts";

const ID = "11111111-2222-4333-8444-555555555555";
const URL_OF_IMAGE = "http://origin.example/pub/debian-13.qcow2?x=1";
const SHA256 = "ab".repeat(32);

function artifact(status: string, visibility = "private"): object {
  return { id: ID, name: "debian-13.qcow2", version: "0.0.0", status, visibility };
}

/** A server that takes everything, unless `refuse` has answered. */
function server(refuse: (method: string, path: string) => boolean = () => false): Promise<WireServer> {
  const answer: Answerer = ({ method, path, body }, response) => {
    if (refuse(method, path)) return answerJson(response, 409, { code: 409, explanation: "taken by another" });
    if (method === "POST") return answerJson(response, 201, artifact("drafted"));
    if (method === "DELETE") return void response.writeHead(204).end();
    return answerJson(response, 200, artifact("active", body.includes("/visibility") ? "public" : "private"));
  };
  return startWireServer(answer);
}

function add(to: WireServer, args: readonly string[], interrupt?: Promise<void>): Promise<CliResult> {
  const env = { CISTERN_URL: to.url, CISTERN_TOKEN: "token-of-the-test" };
  return runCli(["add", ...args], interrupt === undefined ? { env } : { env, interrupt });
}

function calls(of: WireServer): readonly string[] {
  return of.seen.map(({ method, path }) => `${method} ${path}`);
}

describe("cistern add", () => {
  test("creates, sets the location with what is known of it, and activates", async () => {
    await using to = await server();
    const result = await add(to, [URL_OF_IMAGE, "--sha256", SHA256, "--md5", "cd".repeat(16), "--size", "42"]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toBe(`${ID}  debian-13.qcow2 0.0.0, active, private\n`);
    expect(calls(to)).toEqual([
      "POST /artifacts/images",
      `PUT /artifacts/images/${ID}/image`,
      `PATCH /artifacts/images/${ID}`,
    ]);
    const [create, locate, activate] = to.seen.map(({ body }) => JSON.parse(body));
    expect(create).toEqual({ name: "debian-13.qcow2", disk_format: "qcow2", container_format: "bare" });
    expect(locate).toEqual({ url: URL_OF_IMAGE, sha256: SHA256, md5: "cd".repeat(16), size: 42 });
    expect(activate).toEqual([{ op: "replace", path: "/status", value: "active" }]);
    expect(to.seen.map(({ headers }) => headers["content-type"])).toEqual([
      "application/json",
      "application/vnd+openstack.glare-custom-location+json",
      "application/json-patch+json",
    ]);
  });

  test("sets mirrors under the same digests, the version and the visibility that were asked for", async () => {
    await using to = await server();
    const mirrors = ["--mirror", "eu=http://eu.example/a?b=c", "--mirror", "us=http://us.example/a"];
    const more = ["--sha256", SHA256, "--as-version", "13.1.0", "--name", "debian", "--disk-format", "raw", "--public"];
    const result = await add(to, [URL_OF_IMAGE, ...mirrors, ...more, "--json"]);
    expect(JSON.parse(result.stdout)).toMatchObject({ id: ID, type: "images", visibility: "public" });
    const bodies = to.seen.map(({ body }) => JSON.parse(body));
    expect(bodies[0]).toMatchObject({ name: "debian", version: "13.1.0", disk_format: "raw" });
    expect(calls(to).slice(2, 4)).toEqual([
      `PUT /artifacts/images/${ID}/mirrors/eu`,
      `PUT /artifacts/images/${ID}/mirrors/us`,
    ]);
    expect(bodies[2]).toEqual({ url: "http://eu.example/a?b=c", sha256: SHA256 });
    expect(bodies[5]).toEqual([{ op: "replace", path: "/visibility", value: "public" }]);
  });

  test("takes the disk format from the URL where the name tells none", async () => {
    await using to = await server();
    expect(await add(to, [URL_OF_IMAGE, "--name", "debian-13"])).toMatchObject({ code: 0 });
    expect(JSON.parse(to.seen[0]?.body ?? "")).toMatchObject({ name: "debian-13", disk_format: "qcow2" });
  });

  test("registers a file without a disk format, and says what follows from no checksum", async () => {
    await using to = await server();
    const result = await add(to, ["http://origin.example/caf%C3%A9.tar.gz", "--type", "files"]);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining("the first fetch decides") });
    expect(calls(to)[1]).toBe(`PUT /artifacts/files/${ID}/file`);
    expect(JSON.parse(to.seen[0]?.body ?? "")).toEqual({ name: "café.tar.gz" });
  });

  test.each([
    ["the location", (method: string, path: string) => method === "PUT" && path.endsWith("/image")],
    ["a mirror", (method: string, path: string) => method === "PUT" && path.includes("/mirrors/")],
    ["the activation", (method: string) => method === "PATCH"],
  ])("deletes what it created when %s is refused, and tells why it was", async (_step, refuse) => {
    await using to = await server(refuse);
    const result = await add(to, [URL_OF_IMAGE, "--mirror", "eu=http://eu.example/a"]);
    expect(result).toMatchObject({ code: 1, stdout: "", stderr: "cistern: taken by another\n" });
    expect(calls(to).at(-1)).toBe(`DELETE /artifacts/images/${ID}`);
  });

  test("says which record stays when even that is refused", async () => {
    await using to = await server((method) => method === "PUT" || method === "DELETE");
    const result = await add(to, [URL_OF_IMAGE]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`cistern rm ${ID}`);
  });

  test("deletes nothing when the creation itself was refused", async () => {
    await using to = await server((method) => method === "POST");
    const result = await add(to, [URL_OF_IMAGE]);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining("another --name or --as-version") });
    expect(calls(to)).toEqual(["POST /artifacts/images"]);
  });

  test("deletes what it created when it is interrupted", async () => {
    const { promise: interrupt, resolve: stop } = Promise.withResolvers<void>();
    await using to = await startWireServer(({ method }, response) => {
      if (method === "POST") return answerJson(response, 201, artifact("drafted"));
      if (method === "DELETE") return void response.writeHead(204).end();
      // The location is never answered: Ctrl-C comes first.
      stop();
      return undefined;
    });
    expect(await add(to, [URL_OF_IMAGE], interrupt)).toMatchObject({ code: 130 });
    expect(calls(to).at(-1)).toBe(`DELETE /artifacts/images/${ID}`);
  });
});
