import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { requireValidator, validate, validatorPath } from "../deploy/support/validators.ts";
import { startEmbedded } from "../support/embedded-app.ts";
import { requireProgram } from "../support/programs.ts";
import { runProgram } from "./support/run-program.ts";

const HAVE_ALL = ["unshare", "ip"].map(requireProgram).every((found) => found) && requireValidator("schemathesis");
const THREAD = fileURLToPath(new URL("./support/schemathesis-thread.ts", import.meta.url));
const CONFIG = fileURLToPath(new URL("./support/schemathesis.toml", import.meta.url));
const SEED = "1";
/** Made-up requests of each operation, beside those at the limits of its schemas. */
const EXAMPLES = 8;
/** Rules that go over several fields (one of these, later than that) are not in a JSON schema. */
const NOT_CHECKED = "positive_data_acceptance";
const MINUTES = 60_000;

/** In a network of its own that has the loopback only: made-up locations lead nowhere. */
function fuzz(role: string, examples: number, directory: string) {
  const inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
  const asked = ["--phases", "coverage,fuzzing,stateful", "--max-examples", String(examples), "--seed", SEED];
  // All checks, as by default: `--checks` would overrule what the configuration says of single operations.
  const checked = ["--exclude-checks", NOT_CHECKED, "--continue-on-failure", "--no-color"];
  const told = ["--config-file", CONFIG, ...asked, ...checked, "--warnings", "off"];
  const command = [process.execPath, THREAD, role, validatorPath("schemathesis"), ...told];
  return runProgram("unshare", ["--map-root-user", "--net", ...inside, ...command], { cwd: directory });
}

describe.skipIf(!HAVE_ALL)("schemathesis finds no answer outside of /openapi.json, and no fault", () => {
  test.each([
    ["admin", EXAMPLES],
    ["reader", 2],
  ])(
    "as %s",
    async (role, examples) => {
      const directory = await mkdtemp(join(tmpdir(), "cistern-schemathesis-"));
      try {
        const { code, output } = await fuzz(role, examples, directory);
        expect(output).toMatch(/\b[1-9]\d{2,} generated/);
        expect(code, output.slice(0, 20_000)).toBe(0);
      } finally {
        await rm(directory, { recursive: true, force: true });
      }
    },
    4 * MINUTES,
  );
});

test.skipIf(!requireValidator("openapi-spec-validator"))(
  "the document is one of OpenAPI 3.1",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "cistern-openapi-"));
    try {
      await using cistern = await startEmbedded();
      const path = join(directory, "openapi.json");
      await writeFile(path, (await cistern.ask("GET", "/openapi.json")).body);
      expect(await validate("openapi-spec-validator", ["--schema", "3.1", path])).toContain("OK");
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
  2 * MINUTES,
);
