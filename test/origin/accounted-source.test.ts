import { describe, expect, test } from "vitest";
import type { Behalf, EgressMeter, EgressRecord } from "../../src/domain/egress.ts";
import { CisternError } from "../../src/domain/errors.ts";
import { AccountedSource } from "../../src/origin/accounted-source.ts";
import { sourceConformance } from "../conformance/source.ts";
import { startFaultOrigin } from "../support/fault-origin.ts";
import { at, NEVER, openSource, take } from "./open-source.ts";

const BLOB = { size: 300_000, seed: "blob" };
const FILL: Behalf = { project: "blue", blob: "artifacts/1/image", fill: "fill-1", size: undefined };

class Meter implements EgressMeter {
  readonly asked: (number | undefined)[] = [];
  readonly ended: string[] = [];
  counted = 0;
  most = Number.POSITIVE_INFINITY;

  async admit(_: Behalf, bytes: number | undefined): Promise<void> {
    this.asked.push(bytes);
    if (bytes !== undefined && bytes > this.most) throw new CisternError("egress-quota", "too much");
  }
  count(_: Behalf, bytes: number): void {
    this.counted += bytes;
  }
  over(fill: string): void {
    this.ended.push(fill);
  }
}

const NO_LIMITS = { stallMs: 1_000, connectMs: 1_000, headersMs: 1_000, sizeMs: 1_000 };

function account(inner = openSource()) {
  const meter = new Meter();
  const noted: EgressRecord[] = [];
  const source = new AccountedSource({ source: inner, meter, log: { left: (record) => void noted.push(record) } });
  const passed = () =>
    source.hear({ kind: "fill-passed", fill: "fill-1", bytes: 1, milliseconds: 1, sha256: "ab", kept: true });
  return { meter, noted, source, passed, [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose]() };
}

sourceConformance("an accounted source", () => {
  const inner = openSource({ timeouts: NO_LIMITS });
  const { source } = account(inner);
  return {
    open: (request, signal) => source.open(request, signal),
    head: (request, signal) => source.head(request, signal),
    admissible: (location) => source.admissible(location),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
});

describe("every request that left", () => {
  test("is noted with the address that it went to, when its fill has passed with the digest", async () => {
    await using origin = await startFaultOrigin();
    await using it = account();
    origin.serve("/blob", BLOB);
    const url = origin.url("/blob?token=geheim");
    const { end } = await take(it.source, url, { behalf: FILL });
    expect(end).toBe("complete");
    expect(it.noted).toEqual([]);
    it.passed();
    const { port } = new URL(url);
    expect(it.noted).toEqual([
      {
        method: "GET",
        url: `http://127.0.0.1:${port}/blob?token=***`,
        address: "127.0.0.1",
        status: 200,
        code: undefined,
        project: "blue",
        blob: "artifacts/1/image",
        bytes: BLOB.size,
        outcome: "passed",
        sha256: "ab",
      },
    ]);
    expect([it.meter.counted, it.meter.ended]).toEqual([BLOB.size, ["fill-1"]]);
  });

  test("is noted hop by hop, over connections that are used again too", async () => {
    await using origin = await startFaultOrigin();
    await using it = account();
    origin.serve("/blob", BLOB);
    origin.serve("/from", BLOB, { redirect: origin.url("/blob") });
    for (let n = 0; n < 3; n += 1) await take(it.source, origin.url("/from"), { behalf: { ...FILL, fill: undefined } });
    const seen = it.noted.map(({ url, address, status, bytes, outcome }) => [
      new URL(url).pathname,
      address,
      status,
      bytes,
      outcome,
    ]);
    const one = [
      ["/from", "127.0.0.1", 302, 0, "redirected"],
      ["/blob", "127.0.0.1", 200, BLOB.size, "complete"],
    ];
    expect(seen).toEqual([...one, ...one, ...one]);
  });

  test("is noted when it is refused, broken, cut, or leads nowhere", async () => {
    await using origin = await startFaultOrigin();
    await using it = account();
    const behalf = { ...FILL, fill: undefined };
    origin.serve("/none", BLOB, { status: 404 });
    origin.serve("/broken", BLOB, { resetAt: 100_000 });
    origin.serve("/cut", BLOB);
    await take(it.source, origin.url("/none"), { behalf });
    await take(it.source, origin.url("/broken"), { behalf });
    const { body } = await it.source.open(
      { location: at(origin.url("/cut")), behalf, offset: 0, validator: undefined, acceptEncoded: true },
      NEVER,
    );
    for await (const _ of body) break;
    // The guard lets nothing out: there is nothing to note.
    expect((await take(it.source, "http://192.0.2.1:9/never", { behalf })).end).toBe("address-not-allowed");
    const seen = it.noted.map(({ address, status, outcome }) => [address, status, outcome]);
    expect(seen).toEqual([
      ["127.0.0.1", 404, "origin-refused"],
      ["127.0.0.1", 200, "origin-broken"],
      ["127.0.0.1", 200, "cut"],
    ]);
    expect(it.noted[1]?.bytes).toBeGreaterThan(0);
    expect(it.noted[1]?.bytes).toBe(it.meter.counted - (it.noted[2]?.bytes ?? 0));
  });

  test("for a length is noted, and counts no bytes", async () => {
    await using origin = await startFaultOrigin();
    await using it = account();
    origin.serve("/blob", BLOB);
    const behalf = { ...FILL, fill: undefined };
    expect((await it.source.head({ location: at(origin.url("/blob")), behalf }, NEVER)).size).toBe(BLOB.size);
    expect(it.noted).toMatchObject([{ method: "HEAD", status: 200, bytes: 0, outcome: "size", address: "127.0.0.1" }]);
    expect([it.meter.counted, it.meter.asked]).toEqual([0, []]);
  });

  test("of a fill that fails says so, and one that ends after its fill is told at once", async () => {
    await using origin = await startFaultOrigin();
    await using it = account();
    origin.serve("/blob", BLOB);
    await take(it.source, origin.url("/blob"), { behalf: FILL });
    it.source.hear({ kind: "fill-failed", fill: "fill-1", at: 0, code: "digest-mismatch" });
    expect(it.noted).toMatchObject([{ outcome: "failed", sha256: undefined }]);
    const { body } = await it.source.open(
      { location: at(origin.url("/blob")), behalf: FILL, offset: 0, validator: undefined, acceptEncoded: true },
      NEVER,
    );
    it.passed();
    expect(it.noted).toHaveLength(1);
    for await (const _ of body) break;
    expect(it.noted).toHaveLength(2);
  });
});

describe("a quota", () => {
  test("refuses a recorded size before anything is dialled", async () => {
    await using origin = await startFaultOrigin();
    await using it = account();
    origin.serve("/blob", BLOB);
    it.meter.most = BLOB.size - 1;
    const { end } = await take(it.source, origin.url("/blob"), { behalf: { ...FILL, size: BLOB.size } });
    expect([end, origin.requests("/blob").length, it.noted.length]).toEqual(["egress-quota", 0, 0]);
  });

  test("refuses a size that only the answer tells before its body, and closes the connection", async () => {
    await using origin = await startFaultOrigin();
    await using it = account();
    origin.serve("/blob", { size: 64 * 2 ** 20, seed: "large" });
    it.meter.most = BLOB.size;
    const { end, bytes } = await take(it.source, origin.url("/blob"), { behalf: FILL });
    expect([end, bytes.length]).toEqual(["egress-quota", 0]);
    expect(it.meter.asked).toEqual([undefined, 64 * 2 ** 20]);
    await expect.poll(() => origin.requests("/blob")[0]?.end).toBe("left");
    it.source.hear({ kind: "fill-failed", fill: "fill-1", at: 0, code: "egress-quota" });
    expect(it.noted).toMatchObject([{ status: 200, bytes: 0, outcome: "cut" }]);
  });
});
