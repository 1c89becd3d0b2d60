import { join } from "node:path";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { contentStoreConformance } from "../conformance/content-store.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

contentStoreConformance("a directory", async () => {
  const directory = await temporaryDirectory();
  const spool = await openSpool(join(directory.path, "spool"), 1e9);
  return {
    store: await openFilesystemStore(join(directory.path, "store")),
    spooled: async (bytes) => {
      const file = await spool.create(bytes.length);
      await file.append(bytes);
      await file.seal();
      return file;
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
});
