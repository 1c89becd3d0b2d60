import { createHash } from "node:crypto";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { DownloadTarget } from "./download-target.ts";
import { WriteBehind } from "./write-behind.ts";

const PIECE = 2 ** 20;

/** A file that grows as `FILE.part` and gets its name when it is whole; an earlier run's part is gone on with. */
export async function openPartFile(path: string): Promise<DownloadTarget> {
  const part = `${path}.part`;
  const file = await open(part, constants.O_RDWR | constants.O_CREAT, 0o666);
  let hash = createHash("sha256");
  let offset = 0;
  for await (const chunk of pieces(file)) {
    hash.update(chunk);
    offset += chunk.length;
  }
  let behind = new WriteBehind(file, offset);
  async function close(): Promise<void> {
    try {
      await behind.settle();
    } finally {
      await file.close();
    }
  }
  return {
    name: path,
    part,
    get offset() {
      return offset;
    },
    async write(chunk) {
      await behind.append(chunk);
      hash.update(chunk);
      offset += chunk.length;
    },
    async restart() {
      await behind.settle();
      await file.truncate(0);
      behind = new WriteBehind(file, 0);
      hash = createHash("sha256");
      offset = 0;
      return true;
    },
    digest: () => hash.copy().digest("hex"),
    async commit() {
      await behind.settle();
      await file.sync();
      await file.close();
      await rename(part, path);
      await syncDirectory(dirname(path));
    },
    async discard() {
      await close();
      await rm(part, { force: true });
    },
    async close() {
      await close();
      // Nothing came: there is nothing to go on with.
      if (offset === 0) await rm(part, { force: true });
    },
  };
}

async function* pieces(file: FileHandle): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(PIECE);
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** A rename is on disk when its directory is. */
async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, "r");
  await directory.sync();
}
