import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { access, chown, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answersOk, untilReady } from "../support/child-program.ts";
import { freePort } from "../support/free-port.ts";
import { ask } from "../support/http-client.ts";
import { requireProgram } from "../support/programs.ts";
import { registerImage } from "../support/register-image.ts";
import { mayMount } from "../support/small-disk.ts";
import { childOf } from "./support/child-of.ts";
import { buildImage, type Image, runImage } from "./support/image.ts";
import { requireValidator, validate } from "./support/validators.ts";

const run = promisify(execFile);
const DOCKERFILES = ["deploy/Dockerfile", "deploy/minio.Dockerfile"];
const TOKEN = `cst_${randomBytes(32).toString("base64url")}`;

describe.each(DOCKERFILES)("%s", (dockerfile) => {
  test.skipIf(!requireValidator("hadolint"))("satisfies hadolint, its style rules included", async () => {
    expect(await validate("hadolint", ["--failure-threshold", "style", dockerfile])).toBe("");
  });

  test.skipIf(!requireValidator("dockerfile"))(
    "passes BuildKit's frontend without a warning; nothing in it is root",
    async () => {
      const config = JSON.parse(await validate("dockerfile", [dockerfile]));
      expect(config.User).toMatch(/^[1-9]\d{3,}:[1-9]\d{3,}$/);
      expect(config.Entrypoint).toEqual([expect.stringMatching(/^\//)]);
      expect(config.Volumes).toEqual({ "/data": {} });
    },
  );

  test("pins each base image to a version", async () => {
    const text = await readFile(new URL(`../../${dockerfile}`, import.meta.url), "utf8");
    const bases = [...text.matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
    expect(bases.length).toBeGreaterThan(1);
    for (const base of bases) expect(base).toMatch(/^[a-z]+:\d+/);
  });
});

const CAN_RUN = ["unshare", "setpriv", "npm"].map(requireProgram).every((found) => found) && (await mayMount());

describe.skipIf(!CAN_RUN)("the image's tree, made by following the Dockerfile", () => {
  const stack = new AsyncDisposableStack();
  let image: Image;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cistern-image-"));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    image = await buildImage("deploy/Dockerfile", folder);
  }, 300_000);
  afterAll(() => stack.disposeAsync());

  test("holds what runs, and neither tests nor tools", async () => {
    const cistern = join(image.root, "cistern");
    await access(join(cistern, "drizzle", "0000_catalog.sql"));
    await access(join(cistern, "node_modules", "undici"));
    const absent = [
      "test",
      ".git",
      "drizzle/drizzle.config.ts",
      "node_modules/vitest",
      "node_modules/typescript",
      "node_modules/node",
    ];
    for (const path of absent) await expect(access(join(cistern, path)), path).rejects.toThrow("ENOENT");
    expect(await stat(join(image.root, "data"))).toMatchObject({ uid: 10001, gid: 10001, mode: 0o40700 });
  });

  test("runs as process 1 without rights on a read-only root, is healthy by its own check, and ends at SIGTERM", async () => {
    const data = join(folder, "volume");
    await mkdir(data, { mode: 0o700 });
    await chown(data, 10001, 10001);
    const listen = `127.0.0.1:${await freePort()}`;
    const env = { CISTERN_LISTEN: listen, CISTERN_ADMIN_TOKEN: TOKEN, CISTERN_ORIGIN_ALLOW: "127.0.0.0/8" };
    const url = `http://${listen}`;
    await using container = await runImage(image, data, env);
    await untilReady(container, () => answersOk(`${url}/readyz`), 60_000);

    const pid = await childOf(container);
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    expect(status).toMatch(/^Uid:\t10001\t10001\t10001\t10001$/m);
    expect(status).toMatch(/^NSpid:\t\d+\t1$/m);
    expect(status).toMatch(/^CapEff:\t0+$/m);
    expect(await readFile(`/proc/${pid}/cmdline`, "utf8")).toContain("/src/cli/main.ts\0serve");

    const content = randomBytes(1 << 20);
    await using origin = await serve(content);
    const sha256 = createHash("sha256").update(content).digest("hex");
    const registered = await registerImage({ url, adminToken: TOKEN }, "in-a-container", { url: origin.url, sha256 });
    const answer = await ask(registered.url, { headers: { Authorization: `Bearer ${TOKEN}` } });
    expect(answer).toMatchObject({ status: 200, complete: true });
    expect(answer.body.equals(content)).toBe(true);

    expect(await healthOf(image, listen)).toBe(0);
    process.kill(pid, "SIGTERM");
    expect(await container.exited).toEqual({ code: 0, signal: null });
    expect(await healthOf(image, listen)).toBe(1);
  }, 120_000);
});

/** What the image's own HEALTHCHECK says of a server there: the exit code. */
async function healthOf(image: Image, listen: string): Promise<number> {
  const [, ...args] = image.healthcheck;
  const child = run(process.execPath, args, { env: { CISTERN_LISTEN: listen }, timeout: 10_000 });
  await child.catch((error: { readonly code: number }) => error);
  return child.child.exitCode ?? -1;
}

async function serve(content: Buffer): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((_request, response) => response.end(content)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP port was given");
  return {
    url: `http://127.0.0.1:${address.port}/image.raw`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
