import { describe, expect, test, vi } from "vitest";
import { affectedClients } from "../../src/cache/preview-clients.ts";
import { RecentAskers } from "../../src/cache/recent-askers.ts";
import type { BlobId, ResolvedBlob } from "../../src/domain/blob.ts";
import { type CompiledPolicy, compilePolicy } from "../../src/domain/policy/compile.ts";
import type { AskedRecord } from "../../src/domain/policy-scan.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { parsePolicyText } from "../../src/http/policy-body.ts";

const HOUR = 3_600_000;
const id = (name: string) => name as BlobId;
const policyOf = (...access: object[]) =>
  compilePolicy(parsePolicyText(JSON.stringify({ access, content: [] })), 1, "cache");

function asker(address: string, tokenId = "t"): Principal {
  return { tokenId, project: "p", roles: ["reader"], address };
}

function blob(id: string): Pick<ResolvedBlob, "blob"> {
  return { blob: { id } } as unknown as ResolvedBlob;
}

function record(id: string): AskedRecord {
  const artifact = { type: "files", name: id, tags: [], owner: "p", visibility: "private" };
  const location = { kind: "external", url: "https://a.example/x", setBy: "admin" };
  return {
    artifact,
    blob: { id, location, digests: { sha256: "a".repeat(64) }, size: undefined },
  } as unknown as AskedRecord;
}

describe("who asked lately", () => {
  test("is told once of each token and address, the newest first, with what it asked for last", () => {
    const askers = new RecentAskers(() => performance.now());
    askers.note(asker("10.0.0.1"), blob("first"));
    askers.note(asker("10.0.0.1", "other"), blob("first"));
    // Another connection of the same client.
    askers.note(asker("10.0.0.1"), blob("second"));
    expect(askers.list().map(({ principal, blob: asked }) => [principal.tokenId, asked])).toEqual([
      ["t", "second"],
      ["other", "first"],
    ]);
  });

  test("is as old as the last time that it asked for the same", () => {
    // What the cache remembers of the time goes with its timers.
    vi.useFakeTimers();
    try {
      const askers = new RecentAskers(() => Date.now());
      const [one, other] = [asker("10.0.0.1"), asker("10.0.0.2")];
      for (const client of [one, other]) askers.note(client, blob("a"));
      vi.advanceTimersByTime(23 * HOUR);
      askers.note(one, blob("a"));
      vi.advanceTimersByTime(2 * HOUR);
      expect(askers.list()).toEqual([{ principal: one, blob: "a", age: 2 * HOUR }]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("is bounded, and those who ask again and again push nobody out", () => {
    const askers = new RecentAskers(() => performance.now());
    askers.note(asker("192.0.2.7"), blob("one"));
    // Through a balancer that shares its connections: the principal is another object each time.
    for (let request = 0; request < 10_000; request += 1) askers.note(asker(`10.1.0.${request & 1}`), blob("one"));
    expect(askers.list().map(({ principal: { address } }) => address)).toContain("192.0.2.7");
    for (let client = 0; client < 10_000; client += 1) {
      askers.note(asker(`10.1.${client >> 8}.${client & 255}`), blob("one"));
    }
    expect(askers.list()).toHaveLength(4_096);
  });
});

describe("another policy", () => {
  const askers = ["10.0.0.1", "192.0.2.7"].map((address) => ({ principal: asker(address), blob: id("b"), age: 0 }));
  const before = policyOf();
  const office = { clients: ["192.0.2.0/24"] };
  const affected = (after: CompiledPolicy, hosts: readonly string[] = [], asking = askers, was = before) => {
    const scan = { recordsOf: async (ids: readonly BlobId[]) => ids.filter((one) => one !== "gone").map(record) };
    return affectedClients({ scan, redirectHosts: hosts }, asking, { before: was, after }, AbortSignal.timeout(10_000));
  };

  test("names the clients that it denies, and no others", async () => {
    const after = policyOf({ name: "no", match: office, mode: "deny" });
    const [only, ...others] = await affected(after);
    expect(only).toMatchObject({ principal: { address: "192.0.2.7" }, before: "cache", mode: "deny", rule: "no" });
    expect(others).toEqual([]);
    expect(await affected(after, [], askers, after)).toEqual([]);
  });

  test("redirects those alone who can be sent there", async () => {
    const after = policyOf({ name: "away", match: office, mode: "redirect" });
    expect(await affected(after)).toEqual([]);
    expect(await affected(after, ["a.example"])).toMatchObject([
      { principal: { address: "192.0.2.7" }, mode: "redirect", rule: "away" },
    ]);
  });

  test("is tried on each of more blobs than are looked up at once, and not on what is gone", async () => {
    const after = policyOf({ name: "no", mode: "deny" });
    const many = Array.from({ length: 1_201 }, (_, number) => {
      return { principal: asker(`10.1.${number >> 8}.${number & 255}`), blob: id(`b${number}`), age: 0 };
    });
    const gone = { principal: asker("10.2.0.1"), blob: id("gone"), age: 0 };
    const named = await affected(after, [], [...many, gone]);
    expect(named.map(({ record: { blob: asked } }) => asked.id)).toEqual(many.map(({ blob: asked }) => asked));
  });
});
