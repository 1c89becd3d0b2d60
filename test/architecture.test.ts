import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BIOME = join(ROOT, "node_modules", ".bin", "biome");

/** A file of the skeleton, what it does, and the rule that must catch it; undefined: none may. */
interface Planted {
  readonly path: string;
  /** For the test's name. */
  readonly what: string;
  readonly source: string;
  readonly rule: string | undefined;
}

const IMPORTS = "lint/style/noRestrictedImports";
const PROCESS = "lint/style/noRestrictedGlobals";
const ANY = "lint/suspicious/noExplicitAny";
const CYCLE = "lint/suspicious/noImportCycles";

/** Folder, then what it must not import and what it may. */
const BOUNDARIES: readonly (readonly [folder: string, refused: readonly string[], taken: readonly string[]])[] = [
  ["domain", ["node:crypto", "zod", "../cache/x.ts", "../app.ts"], ["./own.ts"]],
  [
    "cache",
    ["node:fs", "undici", "../store/x.ts", "../http/x.ts", "../app.ts", "../local.ts", "../transfer.ts"],
    ["../domain/x.ts", "node:crypto"],
  ],
  ["artifact", ["node:fs", "../catalog/x.ts", "../cache/x.ts"], ["../domain/x.ts", "./own.ts"]],
  ["catalog", ["undici", "../store/x.ts", "../cache/x.ts", "../config/x.ts"], ["drizzle-orm/pg-core", "postgres"]],
  [
    "store",
    ["postgres", "../catalog/x.ts", "../origin/x.ts", "../main.ts"],
    ["node:fs/promises", "minio", "../domain/x.ts"],
  ],
  ["store/deep", ["../../catalog/x.ts", "../../cache/x.ts"], ["../own.ts", "../../domain/x.ts"]],
  ["origin", ["postgres", "hono", "../store/x.ts", "../catalog/x.ts"], ["undici", "ipaddr.js", "node:dns"]],
  [
    "http",
    ["../store/x.ts", "../catalog/x.ts", "../origin/x.ts", "../app.ts", "../local.ts", "undici"],
    ["../cache/x.ts", "hono"],
  ],
  ["http/routes", ["../../store/x.ts", "../../config/x.ts", "postgres"], ["../own.ts", "../../artifact/x.ts", "zod"]],
  ["jobs", ["../store/x.ts", "../http/x.ts", "postgres"], ["../cache/x.ts", "../domain/x.ts"]],
  ["cli", ["../cache/x.ts", "../catalog/x.ts", "undici", "../http/x.ts"], ["../config/x.ts", "commander"]],
  [
    "cli/commands",
    ["../../store/x.ts", "postgres", "../../cache/x.ts", "../../app.ts"],
    ["../own.ts", "../../main.ts", "../../local.ts", "../../rebuild.ts", "../../transfer.ts"],
  ],
  ["telemetry", ["../cache/x.ts", "undici", "../config/x.ts"], ["pino", "../domain/x.ts"]],
  ["config", ["undici", "../cache/x.ts", "../cli/x.ts"], ["zod", "../domain/x.ts"]],
];

const PLANTED: readonly Planted[] = [
  ...BOUNDARIES.flatMap(([folder, refused, taken]) => [
    ...refused.map((specifier, index) => plant(folder, `refused-${index}`, specifier, IMPORTS)),
    ...taken.map((specifier, index) => plant(folder, `taken-${index}`, specifier, undefined)),
  ]),
  { path: "src/cache/pid.ts", what: "process", source: "export const id = process.pid;\n", rule: PROCESS },
  { path: "src/cli/pid.ts", what: "process", source: "export const id = process.pid;\n", rule: undefined },
  { path: "src/store/any.ts", what: "any", source: "export const x = (y: any): unknown => y;\n", rule: ANY },
  {
    path: "src/store/a.ts",
    what: "cycle",
    source: 'import { b } from "./b.ts";\nexport const a = () => b;\n',
    rule: CYCLE,
  },
  {
    path: "src/store/b.ts",
    what: "cycle",
    source: 'import { a } from "./a.ts";\nexport const b = () => a;\n',
    rule: CYCLE,
  },
];

function plant(folder: string, name: string, specifier: string, rule: string | undefined): Planted {
  const source = `import { x } from "${specifier}";\nexport const y: unknown = x;\n`;
  return { path: `src/${folder}/${name}.ts`, what: `import of ${specifier}`, source, rule };
}

let skeleton = "";
let found: ReadonlyMap<string, ReadonlySet<string>> = new Map();

beforeAll(async () => {
  skeleton = await mkdtemp(join(tmpdir(), "cistern-architecture-"));
  await cp(join(ROOT, ".biome.json"), join(skeleton, ".biome.json"));
  for (const { path, source } of PLANTED) {
    await mkdir(dirname(join(skeleton, path)), { recursive: true });
    await writeFile(join(skeleton, path), source);
  }
  found = await lint(skeleton);
});

afterAll(() => rm(skeleton, { recursive: true, force: true }));

describe("the folder boundaries", () => {
  test.each(PLANTED.filter(({ rule }) => rule !== undefined))("$rule catches: $what in $path", ({ path, rule }) => {
    expect([...(found.get(path) ?? [])]).toContain(rule);
  });

  test.each(PLANTED.filter(({ rule }) => rule === undefined))("let pass: $what in $path", ({ path }) => {
    expect([...(found.get(path) ?? [])]).toEqual([]);
  });

  test("name every folder of the house", async () => {
    const entries = await readdir(join(ROOT, "src"), { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    const planted = new Set(BOUNDARIES.map(([folder]) => folder.split("/")[0]));
    expect(folders.filter((folder) => !planted.has(folder))).toEqual([]);
  });

  test("are kept by the real tree", async () => {
    const broken = [...(await lint(ROOT))].filter(([, rules]) => rules.has(IMPORTS) || rules.has(PROCESS));
    expect(broken).toEqual([]);
  });
});

const REPORT = z.looseObject({
  diagnostics: z.array(
    z.looseObject({
      category: z.string(),
      location: z.looseObject({ path: z.unknown() }).nullish(),
    }),
  ),
});

/** The rules that each file under `src` breaks. */
async function lint(directory: string): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const { stdout } = await run(BIOME, ["lint", "--reporter=json", "--max-diagnostics=none", "src"], directory);
  const rules = new Map<string, Set<string>>();
  for (const { category, location } of REPORT.parse(JSON.parse(stdout)).diagnostics) {
    const path = z
      .union([z.string(), z.looseObject({ file: z.string() }).transform(({ file }) => file)])
      .parse(location?.path);
    rules.set(path, (rules.get(path) ?? new Set()).add(category));
  }
  return rules;
}

/** Biome ends with 1 when it finds something: that is an answer here. */
function run(program: string, args: readonly string[], cwd: string): Promise<{ readonly stdout: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{
    stdout: string;
  }>();
  execFile(program, args, { cwd, maxBuffer: 2 ** 26 }, (error, stdout) => {
    if (error !== null && error.code !== 1) reject(error);
    else resolve({ stdout });
  });
  return promise;
}
