import { randomBytes } from "node:crypto";
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { CisternError } from "../domain/errors.ts";
import { ADMIN_TOKEN_FILE } from "./config.ts";

export interface AdminToken {
  readonly secret: string;
  /** Where it lies; undefined when the configuration set it. */
  readonly file: string | undefined;
  /** True when it was made just now. */
  readonly fresh: boolean;
}

/** The admin token: as configured, else as an earlier start wrote it, else made now (mode 0600, synced). */
export async function readAdminToken(dataDir: string, configured: string | undefined): Promise<AdminToken> {
  if (configured !== undefined) return { secret: configured, file: undefined, fresh: false };
  const file = join(dataDir, ADMIN_TOKEN_FILE);
  const known = await readIfThere(file);
  if (known !== undefined && known !== "") return { secret: known, file, fresh: false };
  const secret = `cst_${randomBytes(32).toString("base64url")}`;
  const temporary = `${file}.new`;
  await using handle = await open(temporary, "w", 0o600);
  await handle.writeFile(`${secret}\n`);
  await handle.sync();
  await rename(temporary, file);
  return { secret, file, fresh: true };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return undefined;
    throw new CisternError("invalid-config", "the admin token's file cannot be read: check its owner and mode", {
      cause,
    });
  }
}
