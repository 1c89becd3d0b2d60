import { describe, expect, test } from "vitest";
import { ResponseBody } from "../../src/origin/response-body.ts";

function body() {
  const calls: string[] = [];
  const flow = { resume: () => calls.push("resume"), abort: (reason: Error) => calls.push(`abort: ${reason.message}`) };
  return { calls, body: new ResponseBody(flow, "origin.test", () => 0) };
}

describe("a body", () => {
  test("asks for a pause when 256 KiB wait, and goes on when they are read", async () => {
    const { calls, body: it } = body();
    const chunk = Buffer.alloc(100 * 1024);
    expect([it.push(chunk), it.push(chunk), it.push(chunk)]).toEqual([true, true, false]);
    for (const expected of [[], [], ["resume"]]) {
      // The very buffer, not a copy.
      expect((await it.next()).value).toBe(chunk);
      expect(calls).toEqual(expected);
    }
  });

  test("gives the bytes that came before a failure, then the failure", async () => {
    const { body: it } = body();
    it.push(Buffer.from("a"));
    it.fail(new Error("broken"));
    expect((await it.next()).value).toEqual(Buffer.from("a"));
    await expect(it.next()).rejects.toThrow("broken");
  });

  test("gives nothing after an abort", async () => {
    const { calls, body: it } = body();
    it.push(Buffer.from("a"));
    it.abort(new Error("stop"));
    await expect(it.next()).rejects.toThrow("stop");
    expect(calls).toEqual(["abort: stop"]);
  });

  test("that ends does not close its connection when the loop is over", async () => {
    const { calls, body: it } = body();
    it.push(Buffer.from("a"));
    it.end();
    for await (const chunk of it) expect(chunk).toEqual(Buffer.from("a"));
    expect(calls).toEqual(["resume"]);
  });

  test.each([
    [3, "more bytes"],
    [5, "fewer bytes"],
  ])("of 4 bytes where %i were announced is broken", async (announced, message) => {
    const { body: it } = body();
    it.begin(announced, true, 1000, () => {});
    it.push(Buffer.from("abcd"));
    it.end();
    const read = async () => {
      for await (const _ of it);
    };
    await expect(read()).rejects.toMatchObject({ code: "origin-broken", message: expect.stringContaining(message) });
  });
});
