import { randomUUID } from "node:crypto";
import { unlink } from "node:fs/promises";
import { join } from "node:path";
import { OpenFile } from "./open-file.ts";

const PIECE = 1024 * 1024;

/**
 * Copies a file into a directory of another file system under a name of its own and makes the bytes
 * durable; answers the path. Nothing stays when it fails or is aborted.
 */
export async function copySynced(from: string, directory: string, signal: AbortSignal): Promise<string> {
  const path = join(directory, randomUUID());
  const source = await OpenFile.open(from, "r");
  try {
    const target = await OpenFile.open(path, "wx", 0o600);
    try {
      await copyBytes(source, target, signal);
      await target.sync();
    } catch (error) {
      await unlink(path);
      throw error;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  return path;
}

async function copyBytes(source: OpenFile, target: OpenFile, signal: AbortSignal): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(PIECE);
  for (let offset = 0; ; ) {
    signal.throwIfAborted();
    const read = await source.read(buffer, offset);
    if (read === 0) return;
    for (let done = 0; done < read; ) done += await target.write([buffer.subarray(done, read)], offset + done);
    offset += read;
  }
}
