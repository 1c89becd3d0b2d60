import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { lockDataDir } from "../../src/store/data-lock.ts";
import { type ChildProgram, startProgram } from "../support/child-program.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const HOLDER = new URL("./lock-holder.ts", import.meta.url).pathname;

function hold(directory: string): Promise<ChildProgram> {
  return startProgram(process.execPath, [HOLDER, directory]);
}

describe("the lock of a data directory", () => {
  test("refuses a second holder in this process and in another one, and says what to do", async () => {
    await using directory = await temporaryDirectory();
    using _lock = lockDataDir(directory.path);
    expect(() => lockDataDir(directory.path)).toThrow(
      expect.objectContaining({ code: "data-dir-locked", message: expect.stringContaining("CISTERN_DATA_DIR") }),
    );
    await using other = await hold(directory.path);
    expect(await other.firstLine()).toBe("data-dir-locked");
  });

  test("is free again after disposal", async () => {
    await using directory = await temporaryDirectory();
    lockDataDir(directory.path)[Symbol.dispose]();
    lockDataDir(directory.path)[Symbol.dispose]();
  });

  test("is free again after its holder was killed with -9", async () => {
    await using directory = await temporaryDirectory();
    await using holder = await hold(directory.path);
    expect(await holder.firstLine()).toBe("locked");
    expect(() => lockDataDir(directory.path)).toThrow(expect.objectContaining({ code: "data-dir-locked" }));
    await holder.kill("SIGKILL");
    lockDataDir(directory.path)[Symbol.dispose]();
  });

  test("a directory that is not there is told as a mistake of the configuration", async () => {
    await using directory = await temporaryDirectory();
    expect(() => lockDataDir(join(directory.path, "absent"))).toThrow(
      expect.objectContaining({ code: "invalid-config", message: expect.stringContaining("CISTERN_DATA_DIR") }),
    );
  });
});
