import { describe, expect, test } from "vitest";
import { affectedClients } from "../../src/cache/preview-clients.ts";
import { RecentAskers } from "../../src/cache/recent-askers.ts";
import type { ResolvedBlob } from "../../src/domain/blob.ts";
import { compilePolicy } from "../../src/domain/policy/compile.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { parsePolicyText } from "../../src/http/policy-body.ts";

const policyOf = (...access: object[]) =>
  compilePolicy(parsePolicyText(JSON.stringify({ access, content: [] })), 1, "cache");

function asker(address: string, tokenId = "t"): Principal {
  return { tokenId, project: "p", roles: ["reader"], address };
}

function blob(name: string): ResolvedBlob {
  const artifact = { type: "files", name, tags: [], owner: "p", visibility: "private" };
  const location = { kind: "external", url: "https://a.example/x", setBy: "admin" };
  const record = { location, digests: { sha256: "a".repeat(64) }, size: undefined };
  return { artifact, blob: record } as unknown as ResolvedBlob;
}

describe("who asked lately", () => {
  test("is told once of each token and address, the newest first, with what it asked for last", () => {
    const askers = new RecentAskers();
    const [first, second] = [blob("first"), blob("second")];
    askers.note(asker("10.0.0.1"), first);
    askers.note(asker("10.0.0.1", "other"), first);
    // Another connection of the same client.
    askers.note(asker("10.0.0.1"), second);
    const told = askers.list().map(({ principal, artifact }) => [principal.tokenId, artifact.name]);
    expect(told).toEqual([
      ["t", "second"],
      ["other", "first"],
    ]);
  });

  test("is bounded", () => {
    const askers = new RecentAskers();
    const one = blob("one");
    for (let client = 0; client < 10_000; client += 1) askers.note(asker(`10.1.${client >> 8}.${client & 255}`), one);
    expect(askers.list()).toHaveLength(4_096);
  });
});

describe("another policy", () => {
  const askers = ["10.0.0.1", "192.0.2.7"].map((address) => ({ principal: asker(address), ...blob("b") }));
  const before = policyOf();
  const office = { clients: ["192.0.2.0/24"] };

  test("names the clients that it denies, and no others", () => {
    const after = policyOf({ name: "no", match: office, mode: "deny" });
    const [only, ...others] = affectedClients(askers, { before, after }, []);
    expect(only).toMatchObject({ principal: { address: "192.0.2.7" }, before: "cache", mode: "deny", rule: "no" });
    expect(others).toEqual([]);
    expect(affectedClients(askers, { before: after, after }, [])).toEqual([]);
  });

  test("redirects those alone who can be sent there", () => {
    const after = policyOf({ name: "away", match: office, mode: "redirect" });
    expect(affectedClients(askers, { before, after }, [])).toEqual([]);
    expect(affectedClients(askers, { before, after }, ["a.example"])).toMatchObject([
      { principal: { address: "192.0.2.7" }, mode: "redirect", rule: "away" },
    ]);
  });
});
