import fs from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { OpenFile } from "../../src/store/open-file.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

describe("an open file", () => {
  test("closes only after the calls that were under way, which all succeed", async () => {
    await using directory = await temporaryDirectory();
    const file = await OpenFile.open(join(directory.path, "file"), "wx+", 0o600);
    await file.write([Buffer.from("abc")], 0);
    const order: string[] = [];
    const calls = Array.from({ length: 12 }, () => file.sync().then(() => order.push("call")));
    calls.push(file.read(Buffer.alloc(3), 0).then((read) => order.push(`read ${read}`)));
    await Promise.all([...calls, file.close().then(() => order.push("closed"))]);
    expect(order.at(-1)).toBe("closed");
    expect(order).toContain("read 3");
    await file.close();
    await expect(file.read(Buffer.alloc(1), 0)).rejects.toMatchObject({ code: "internal" });
  });

  test("no more than four syncs are under way at once in the process, and all have their turn", async () => {
    await using directory = await temporaryDirectory();
    const files = await Promise.all(
      Array.from({ length: 10 }, (_, index) => OpenFile.open(join(directory.path, String(index)), "wx", 0o600)),
    );
    const real = fs.fdatasync;
    let running = 0;
    let most = 0;
    const spy = vi.spyOn(fs, "fdatasync").mockImplementation((fd, done) => {
      running += 1;
      most = Math.max(most, running);
      real(fd, (error) => {
        running -= 1;
        done(error);
      });
    });
    try {
      await Promise.all(files.map((file) => file.sync()));
      expect(spy).toHaveBeenCalledTimes(10);
      expect(most).toBe(4);
    } finally {
      spy.mockRestore();
      await Promise.all(files.map((file) => file.close()));
    }
  });

  test("a write is where it was put, whatever was written before", async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "file");
    const file = await OpenFile.open(path, "wx+", 0o600);
    await file.write([Buffer.from("world")], 6);
    await file.write([Buffer.from("hel"), Buffer.from("lo ")], 0);
    await file.close();
    expect(await readFile(path, "utf8")).toBe("hello world");
  });
});
