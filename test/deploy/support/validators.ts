import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What `.ci/validators` builds and installs, beside what Debian packages. */
export type Validator =
  | "compose"
  | "dockerfile"
  | "hadolint"
  | "kube-score"
  | "kubernetes"
  | "openapi-spec-validator"
  | "schemathesis";

export const CLONE = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Whether a test that needs the validator can run; to be used as `test.skipIf(!requireValidator("compose"))`.
 * With CI=true a missing one throws: there nothing is skipped.
 */
export function requireValidator(name: Validator): boolean {
  const found = existsSync(validatorPath(name));
  if (!found && process.env.CI === "true") throw new Error(`${name} is missing: .ci/validators brings it`);
  return found;
}

/** What the validator printed; rejects with its complaints. Paths are relative to the clone. */
export async function validate(name: Validator, args: readonly string[]): Promise<string> {
  const { stdout } = await run(validatorPath(name), args, { cwd: CLONE, timeout: 120_000, maxBuffer: 16 << 20 }).catch(
    (error) => {
      throw new Error(`${name} ${args.join(" ")}:\n${error.stdout}${error.stderr}`, { cause: error });
    },
  );
  return stdout;
}

/** Where it is, if it is there. */
export function validatorPath(name: Validator): string {
  return fileURLToPath(new URL(`../.build/${name}`, import.meta.url));
}
