import type { Stats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { EXIT, Failure } from "./failure.ts";
import { openPartFile } from "./part-file.ts";
import { passThrough } from "./pass-through.ts";
import type { Terminal } from "./terminal.ts";

/** Where downloaded bytes go. Knows their SHA-256 as far as they came. */
export interface DownloadTarget {
  /** For messages. */
  readonly name: string;
  /** The file in which what came stays for a later run; undefined: none does that. */
  readonly part?: string;
  /** Bytes that are there already: those of an earlier run too. */
  readonly offset: number;
  write(chunk: Uint8Array): Promise<void>;
  /** Drops what is there, to begin again; false when the bytes are gone for good (a pipe). */
  restart(): Promise<boolean>;
  /** Hexadecimal SHA-256 of everything written. */
  digest(): string;
  /** Makes the bytes visible under their name, synced to disk. */
  commit(): Promise<void>;
  /** Drops what is there: it is known to be wrong. */
  discard(): Promise<void>;
  /** Ends without commit; what came stays for a later run. */
  close(): Promise<void>;
}

/**
 * The target of `-o`: `-` is stdout; a directory takes the artifact's name; what is no regular file
 * (a device, a pipe) is written to directly; everything else by way of `FILE.part`. Without `-o` the
 * artifact's name in the working directory, which must be free: the name is the record's, not the user's.
 */
export async function openTarget(
  output: string | undefined,
  name: string,
  terminal: Terminal,
): Promise<DownloadTarget> {
  if (output === "-") return passThrough("stdout", (chunk) => terminal.pipe(chunk));
  const path = output ?? fileNameOf(name);
  const there = await statOf(path);
  if (there?.isDirectory()) return openPartFile(join(path, fileNameOf(name)));
  if (there !== undefined && output === undefined) {
    throw new Failure(`${path} exists already`, {
      exit: EXIT.usage,
      code: "file-exists",
      hint: "name the file: -o FILE",
    });
  }
  if (there === undefined || there.isFile()) return openPartFile(path);
  const device = await open(path, "w");
  return passThrough(
    path,
    async (chunk) => void (await device.writeFile(chunk)),
    () => device.close(),
  );
}

function fileNameOf(name: string): string {
  const own = basename(name.replaceAll("\\", "/"));
  if (own !== "" && own !== "." && own !== ".." && !own.includes("\0")) return own;
  throw new Failure("the artifact's name is no file name", {
    exit: EXIT.usage,
    code: "no-file-name",
    hint: "name the file: -o FILE",
  });
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
