import { openSpool } from "../../../src/store/spool/open-spool.ts";
import { spoolConformance } from "../../conformance/spool.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

spoolConformance("a directory", async (limit) => {
  const directory = await temporaryDirectory();
  return {
    open: () => openSpool(directory.path, limit),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
});
