import { createHash } from "node:crypto";
import type { DownloadTarget } from "./download-target.ts";

/** Bytes that are gone once they are written: stdout, a pipe, a device. */
export function passThrough(
  name: string,
  write: (chunk: Uint8Array) => Promise<void>,
  close: () => Promise<void> = async () => undefined,
): DownloadTarget {
  const hash = createHash("sha256");
  let offset = 0;
  return {
    name,
    get offset() {
      return offset;
    },
    async write(chunk) {
      await write(chunk);
      hash.update(chunk);
      offset += chunk.length;
    },
    restart: async () => offset === 0,
    digest: () => hash.copy().digest("hex"),
    commit: close,
    discard: close,
    close,
  };
}
