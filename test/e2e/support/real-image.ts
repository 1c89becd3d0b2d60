import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { truncate } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { runProgram } from "./run-program.ts";

const CONTENT_BYTES = 300 * 2 ** 20;
const DISK_BYTES = 2 ** 30;

/** A disk of 1 GiB whose first 300 MiB are real files of this machine; the rest is a hole. */
export async function makeRawDisk(path: string): Promise<void> {
  const tar = spawn("tar", ["--create", "--file=-", "--directory=/usr", "lib", "share", "bin"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await pipeline(Readable.from(firstBytes(tar.stdout, CONTENT_BYTES)), createWriteStream(path));
  tar.kill();
  await truncate(path, DISK_BYTES);
}

/** The same disk as qcow2: 300 MiB of clusters, and the rest not allocated. */
export async function makeQcow2(raw: string, path: string): Promise<void> {
  const { code, output } = await runProgram("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, path]);
  if (code !== 0) throw new Error(`qemu-img: ${output}`);
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

async function* firstBytes(source: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Buffer> {
  let left = limit;
  for await (const chunk of source) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
