// Run as a process of its own: locks the directory of its argument, says so, and stays.
import { isCisternError } from "../../src/domain/errors.ts";
import { lockDataDir } from "../../src/store/data-lock.ts";

try {
  lockDataDir(process.argv[2] ?? "");
  console.log("locked");
  setInterval(() => undefined, 60_000);
} catch (error) {
  console.log(isCisternError(error) ? error.code : String(error));
}
