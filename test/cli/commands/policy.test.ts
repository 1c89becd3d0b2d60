import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { temporaryDirectory } from "../../store/temporary-directory.ts";
import { type Embedded, startEmbedded } from "../../support/embedded-app.ts";
import { setPolicy } from "../../support/policy-client.ts";
import { requireProgram } from "../../support/programs.ts";
import { LAUNCHER, runCli } from "../run-cli.ts";

const DENY = { name: "no office", match: { clients: ["192.0.2.0/24"] }, mode: "deny" };

let cistern: Embedded;
let directory: { readonly path: string } & AsyncDisposable;
let env: Record<string, string>;

beforeAll(async () => {
  cistern = await startEmbedded();
  directory = await temporaryDirectory();
  env = { CISTERN_URL: cistern.url, CISTERN_TOKEN: cistern.adminToken };
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await directory[Symbol.asyncDispose]();
});
beforeEach(() => setPolicy(cistern, { access: [], content: [] }));

const policy = (...args: readonly string[]) => runCli(["policy", ...args], { env });

async function file(content: string): Promise<string> {
  const path = join(directory.path, "policy.json");
  await writeFile(path, content);
  return path;
}

const inForce = async () => JSON.parse((await policy("show", "--json")).stdout);

describe("cistern policy", () => {
  test("applies a file with comments and shows it, for people and for programs", async () => {
    const path = await file(
      `// why\n${JSON.stringify({ access: [DENY], content: [{ name: "month", max_age: "P30D" }] })}`,
    );
    const applied = await policy("apply", path, "--note", "office is closed");
    expect([applied.code, applied.stderr]).toEqual([0, ""]);
    expect(applied.stdout).toMatch(/^version \d+ is in force$/m);
    expect((await inForce()).access).toEqual([DENY]);
    const shown = (await policy("show")).stdout;
    for (const part of ["office is closed", "no office", "clients=192.0.2.0/24", "built-in", "max_age=P30D"]) {
      expect(shown).toContain(part);
    }
  });

  test("names the place of a broken rule, exits 2, and changes nothing", async () => {
    const unknown = await policy("apply", await file('{"access": [], "content": [{"name": "a", "on_ful": "pass"}]}'));
    expect([unknown.code, unknown.stderr.includes("content.0.on_ful")]).toEqual([2, true]);
    const invalid = await policy(
      "apply",
      await file('{"access": [{"name": "a", "mode": "allow"}], "content": []}'),
      "--json",
    );
    expect(invalid.code).toBe(2);
    expect(JSON.parse(invalid.stdout).error.fields[0].field).toBe("access.0.mode");
    const broken = await policy("apply", await file('// mine\n{ "access": [], }'));
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining("line 2, column 17")]);
    const unread = await policy("apply", directory.path);
    expect([unread.code, unread.stderr]).toEqual([2, `cistern: cannot read ${directory.path} (EISDIR)\n`]);
    expect(await inForce()).toEqual({ access: [], content: [] });
  });

  test("a dry run tells what would change, and changes nothing", async () => {
    await cistern.image({ url: "https://origin.example/x", sha256: "a".repeat(64) });
    const path = await file(JSON.stringify({ access: [DENY], content: [] }));
    const dry = await policy("apply", path, "--dry-run");
    expect(dry.code).toBe(0);
    for (const part of ["origin.example:443", "deny", "clients=192.0.2.0/24", "no office"])
      expect(dry.stdout).toContain(part);
    expect(JSON.parse((await policy("apply", path, "--dry-run", "--json")).stdout)).toMatchObject({
      dry_run: true,
      hosts: { count: 1, listed: [{ host: "origin.example:443", mode: "deny", records: 1, cached: 0 }] },
    });
    expect((await inForce()).access).toEqual([]);
  });

  test("lists versions and restores one; a version that somebody has replaced is not written over", async () => {
    const before = JSON.parse((await policy("versions", "--json")).stdout).versions[0].version;
    const path = await file(JSON.stringify({ access: [DENY], content: [] }));
    expect((await policy("apply", path, "--if-version", String(before))).code).toBe(0);
    expect((await policy("apply", path)).stdout).toContain(`version ${before + 1} is in force`);
    const stale = await policy("apply", path, "--if-version", String(before));
    expect([stale.code, stale.stderr.includes(`and not ${before}`)]).toEqual([1, true]);
    expect((await policy("restore", String(before), "--dry-run")).code).toBe(0);
    expect((await inForce()).access).toEqual([DENY]);
    expect((await policy("restore", String(before))).stdout).toContain(`version ${before + 2} is in force`);
    expect((await inForce()).access).toEqual([]);
    expect((await policy("versions")).stdout).toContain(`restored from ${before}`);
    expect((await policy("restore", "99999")).code).toBe(3);
    expect((await policy("show", String(before + 1))).stdout).toContain("no office");
  });

  test("explains an artifact and a URL", async () => {
    await policy("apply", await file(JSON.stringify({ access: [DENY], content: [] })));
    const blob = await cistern.image({ url: "https://origin.example/y", sha256: "b".repeat(64) });
    const id = blob.split("/")[3] ?? "";
    const asked = await policy("explain", id, "--project", "admin", "--client", "192.0.2.7");
    expect(asked.stdout).toMatch(/^would be refused: 403 policy-denied/);
    expect(asked.stdout).toContain('"no office"');
    const url = await policy("explain", "http://127.0.0.2/x", "--json");
    expect(JSON.parse(url.stdout)).toMatchObject({ outcome: { would: "fill" }, origin: { host: "127.0.0.2" } });
    expect((await policy("explain", "http://origin.invalid/x")).stdout).toMatch(
      /^would be fetched, and fail: the origin/,
    );
    const proxied = { access: [{ name: "passed on", match: {}, mode: "proxy" }], content: [] };
    await policy("apply", await file(JSON.stringify(proxied)));
    expect((await policy("explain", "http://127.0.0.2/x")).stdout).toMatch(/^would be fetched, .*, and not kept$/m);
    await runCli(["quota", "set", "admin", "--fetched", "0"], { env });
    const spent = (await policy("explain", "http://127.0.0.2/x")).stdout;
    expect(spent).toMatch(/^would be refused: 429 egress-quota: .*nothing is left/);
    await runCli(["quota", "set", "admin", "--fetched", "default"], { env });
    expect((await policy("explain", "no-such-thing")).code).toBe(3);
    expect((await policy("explain", id, "--client", "nowhere")).code).toBe(2);
  });

  test("edit refuses without a terminal", async () => {
    const refused = await policy("edit");
    expect([refused.code, refused.stderr.includes("terminal")]).toEqual([2, true]);
  });
});

describe.skipIf(!requireProgram("script"))("cistern policy edit, on a terminal", () => {
  /** Runs it on a pseudo-terminal; the editor replaces `from`, and these lines are typed. */
  async function edit(from: string, to: string, typed: string) {
    const editor = join(directory.path, "editor.sh");
    await writeFile(editor, `#!/bin/sh\nsed -i 's|${from}|${to}|' "$1"\n`);
    await chmod(editor, 0o755);
    const child = spawn("script", ["-qec", `${LAUNCHER} policy edit`, "/dev/null"], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env, EDITOR: editor, TMPDIR: directory.path },
      stdio: ["pipe", "pipe", "inherit"],
      timeout: 60_000,
    });
    const ended = once(child, "close");
    const output: Buffer[] = [];
    let answered = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      output.push(chunk);
      const questions =
        Buffer.concat(output)
          .toString()
          .split(/\[[yY]\/[nN]\] /).length - 1;
      for (; answered < Math.min(questions, typed.length); answered += 1) child.stdin.write(`${typed[answered]}\n`);
    });
    await ended;
    child.stdin.destroy();
    return { code: child.exitCode, shown: Buffer.concat(output).toString() };
  }

  const EMPTY = '"access": \\[\\]';
  const rule = (json: string) => `"access": [${json}]`;

  test("shows what would change, asks, and puts it in force", async () => {
    await cistern.image({ url: "https://edited.example/x", sha256: "c".repeat(64) });
    const { code, shown } = await edit(EMPTY, rule(JSON.stringify(DENY)), "y");
    expect(shown).toContain("edited.example:443");
    expect(shown).toMatch(/version \d+ is in force/);
    expect(code).toBe(0);
    expect((await inForce()).access).toEqual([DENY]);
  });

  test("changes nothing without a yes, and keeps what was written", async () => {
    const { code, shown } = await edit(EMPTY, rule(JSON.stringify(DENY)), "n");
    expect(code).toBe(0);
    const kept = /kept in (\S+)/.exec(shown)?.[1] ?? "";
    expect(await readFile(kept, "utf8")).toContain("no office");
    expect((await inForce()).access).toEqual([]);
  });

  test("a broken text is told, may be mended, and is kept when it is not", async () => {
    const { code, shown } = await edit(EMPTY, rule('{"name": "a", "mode": "allow"}'), "n");
    expect(shown).toContain("access.0.mode");
    expect(code).not.toBe(0);
    const kept = /kept in ([^\s:]+)/.exec(shown)?.[1] ?? "";
    expect(await readFile(kept, "utf8")).toContain('"mode": "allow"');
    expect((await inForce()).access).toEqual([]);
  });

  test("a text that was not changed is not sent", async () => {
    const { code, shown } = await edit("no such text", "x", "");
    expect([code, shown.includes("nothing was changed")]).toEqual([0, true]);
  });
});
