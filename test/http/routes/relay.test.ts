import { createHash } from "node:crypto";
import { setImmediate as yieldOnce } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { CisternError } from "../../../src/domain/errors.ts";
import type { RelayHost } from "../../../src/domain/peer.ts";
import { relayTarget } from "../../../src/domain/relay-wire.ts";
import { SharedSecret } from "../../../src/origin/peer/shared-secret.ts";
import { seededBytes } from "../../store/seeded-bytes.ts";
import { ask } from "../../support/http-client.ts";
import { MemoryFill, MemoryRelayHost } from "../../support/memory-relay-host.ts";
import { NEVER, openPeers, relayRequest, takeRelay } from "../../support/relay-client.ts";
import { SECRET, startRelayServer } from "../../support/relay-server.ts";

const MIB = 1024 * 1024;
const URL_WITH_SECRETS = "https://user:pa%20ss@origin.example/a?X-Amz-Signature=0123&name=%C3%A4";

/** A replica with a fill, and another that reads it. */
async function twoReplicas(fill: MemoryFill, options: Parameters<typeof startRelayServer>[1] = {}) {
  await using stack = new AsyncDisposableStack();
  const host = new MemoryRelayHost();
  host.begin("key", 1, fill);
  const server = stack.use(await startRelayServer(host, options));
  const peers = stack.use(openPeers());
  const parts = stack.move();
  return { server, peers, request: relayRequest(server.self), [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

describe("a relay between replicas", () => {
  test("brings 64 MiB as they come, and the verdict", async () => {
    const bytes = seededBytes(1, 64 * MIB);
    const fill = new MemoryFill(URL_WITH_SECRETS, { kind: "etag", value: '"ä%"' }, bytes.length);
    await using two = await twoReplicas(fill);
    fill.append(bytes.subarray(0, 32 * MIB));
    const outcome = await takeRelay(two.peers, two.request, NEVER, (length) => {
      // The rest is there only when the first half has arrived.
      if (length === 32 * MIB) fill.append(bytes.subarray(32 * MIB)).finish();
    });
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    expect(outcome).toMatchObject({ end: "complete", length: bytes.length, sha256 });
    expect(outcome.answer).toMatchObject({
      url: URL_WITH_SECRETS,
      validator: { kind: "etag", value: '"ä%"' },
      total: bytes.length,
    });
    expect(outcome.answer?.verdict()).toEqual({ sha256, size: bytes.length });
    expect(fill).toMatchObject({ held: 0, readers: 0, came: 1 });
    expect(fill.mostHeld).toBeLessThanOrEqual(MIB);
  });

  test("over TLS, to a certificate of an authority that is known", async () => {
    const fill = new MemoryFill("http://origin.example/").append(Buffer.from("bytes")).finish();
    const host = new MemoryRelayHost();
    host.begin("key", 1, fill);
    await using server = await startRelayServer(host, { tls: true });
    const { certificate } = await import("../../support/fault-origin/certificate.ts");
    await using knowing = openPeers({ ca: certificate });
    await using unknowing = openPeers();
    expect(await takeRelay(knowing, relayRequest(server.self))).toMatchObject({ end: "complete", length: 5 });
    expect(await takeRelay(unknowing, relayRequest(server.self))).toMatchObject({ end: "peer-unreachable" });
  });

  test("tells what is known of the bytes before there are any", async () => {
    const fill = new MemoryFill("http://origin.example/", {
      kind: "last-modified",
      value: "Wed, 01 Jan 2025 00:00:00 GMT",
    });
    await using two = await twoReplicas(fill);
    const answer = await two.peers.relay(two.request, NEVER);
    expect(answer.url).toBe("http://origin.example/");
    expect(answer.validator).toEqual({ kind: "last-modified", value: "Wed, 01 Jan 2025 00:00:00 GMT" });
    expect(answer.total).toBeUndefined();
    expect(() => answer.verdict()).toThrow("before its end");
    fill.finish();
    for await (const _ of answer.body) throw new Error("there are none");
    expect(answer.verdict().size).toBe(0);
  });

  test.each([0, 1, 65_536, 299_999, 300_000])("begins at byte %d", async (offset) => {
    const bytes = seededBytes(2, 300_000);
    const fill = new MemoryFill("http://origin.example/").append(bytes).finish();
    await using two = await twoReplicas(fill);
    const outcome = await takeRelay(two.peers, { ...two.request, offset });
    const sha256 = createHash("sha256").update(bytes.subarray(offset)).digest("hex");
    expect(outcome).toMatchObject({ end: "complete", length: bytes.length - offset, sha256 });
    expect(outcome.answer?.verdict().size).toBe(bytes.length);
  });

  test("begins beyond what the holder has so far", async () => {
    const bytes = seededBytes(3, 200_000);
    const fill = new MemoryFill("http://origin.example/").append(bytes.subarray(0, 100_000));
    await using two = await twoReplicas(fill);
    const taken = takeRelay(two.peers, { ...two.request, offset: 150_000 });
    await fill.until(({ came }) => came === 1);
    fill.append(bytes.subarray(100_000)).finish();
    const sha256 = createHash("sha256").update(bytes.subarray(150_000)).digest("hex");
    expect(await taken).toMatchObject({ end: "complete", length: 50_000, sha256 });
  });

  test("an offset beyond the end is another content", async () => {
    const fill = new MemoryFill("http://origin.example/").append(Buffer.from("short")).finish();
    await using two = await twoReplicas(fill);
    expect(await takeRelay(two.peers, { ...two.request, offset: 6 })).toMatchObject({ end: "content-changed" });
  });

  test("to a slow reader holds little of what it has not taken", async () => {
    const bytes = seededBytes(4, 64 * MIB);
    const fill = new MemoryFill("http://origin.example/").append(bytes).finish();
    await using two = await twoReplicas(fill);
    let ahead = 0;
    const outcome = await takeRelay(two.peers, two.request, NEVER, async (length) => {
      await yieldOnce();
      ahead = Math.max(ahead, fill.given - length);
    });
    expect(outcome).toMatchObject({ end: "complete", length: bytes.length });
    expect(fill.mostHeld).toBeLessThanOrEqual(MIB);
    // What the kernel's buffers of both ends take lies between.
    expect(ahead).toBeLessThan(20 * MIB);
  });

  test("to a reader that takes nothing is reset after the idle time, and little was read for it", async () => {
    const fill = new MemoryFill("http://origin.example/").append(seededBytes(5, 64 * MIB)).finish();
    await using two = await twoReplicas(fill, { idleMs: 300 });
    const answer = await two.peers.relay(two.request, NEVER);
    await fill.until(({ given, readers }) => given > 0 && readers === 0);
    expect(fill.given).toBeLessThan(20 * MIB);
    expect(fill.held).toBe(0);
    await expect(async () => {
      for await (const _ of answer.body);
    }).rejects.toMatchObject({ code: "peer-unreachable" });
  });

  test("of a fill that pauses for longer than the idle time goes on", async () => {
    const fill = new MemoryFill("http://origin.example/").append(Buffer.from("one"));
    await using two = await twoReplicas(fill, { idleMs: 50 });
    const outcome = await takeRelay(two.peers, two.request, NEVER, async (length) => {
      if (length !== 3) return;
      await new Promise((resolve) => setTimeout(resolve, 200)); // the pause itself
      fill.append(Buffer.from("two")).finish();
    });
    expect(outcome).toMatchObject({ end: "complete", length: 6 });
  });

  test("is left by its reader: the holder's is gone", async () => {
    const fill = new MemoryFill("http://origin.example/").append(seededBytes(6, MIB));
    await using two = await twoReplicas(fill);
    const answer = await two.peers.relay(two.request, NEVER);
    for await (const _ of answer.body) break;
    await fill.until(({ readers, came }) => came === 1 && readers === 0);
    expect(fill.held).toBe(0);
    expect(two.server.faults).toEqual([]);
  });

  test("ends with its reader's signal, while it waits for bytes too", async () => {
    const fill = new MemoryFill("http://origin.example/").append(Buffer.from("one"));
    await using two = await twoReplicas(fill);
    const gone = new AbortController();
    const outcome = await takeRelay(two.peers, two.request, gone.signal, () => {
      void fill.until(({ readers }) => readers === 1).then(() => gone.abort(new Error("enough")));
    });
    expect(outcome).toMatchObject({ end: "Error: enough", length: 3 });
    await fill.until(({ readers }) => readers === 0);
  });
});

describe("a fill that fails on its holder", () => {
  test.each([
    ["digest-mismatch", "digest-mismatch"],
    ["origin-failed", "origin-failed"],
    ["shutting-down", "shutting-down"],
    ["spool-full", "spool-full"],
    ["unauthenticated", "internal"],
    ["peer-unreachable", "internal"],
  ] as const)("with %s is %s to the other, after the bytes", async (code, told) => {
    const fill = new MemoryFill(URL_WITH_SECRETS).append(Buffer.from("some bytes"));
    await using two = await twoReplicas(fill);
    const outcome = await takeRelay(two.peers, two.request, NEVER, () => {
      fill.fail(new CisternError(code, "a message of the inside"));
    });
    expect(outcome).toMatchObject({ end: told, length: 10, error: { origin: "origin.example" } });
    expect(() => outcome.answer?.verdict()).toThrow("before its end");
    expect(JSON.stringify(outcome.error)).not.toContain("inside");
  });

  test("in an unforeseen way is reported where it happened, and internal to the other", async () => {
    const fault = new Error("a bug");
    const fill = new MemoryFill("http://origin.example/").fail(fault);
    await using two = await twoReplicas(fill);
    expect(await takeRelay(two.peers, two.request)).toMatchObject({ end: "internal", length: 0 });
    expect(two.server.faults).toEqual([fault]);
  });
});

describe("a replica that is asked for a fill", () => {
  test("denies one that it does not run, or not under that fence", async () => {
    await using two = await twoReplicas(new MemoryFill("http://origin.example/"));
    for (const other of [{ key: "other" }, { fence: 2 as typeof two.request.fence }]) {
      expect(await takeRelay(two.peers, { ...two.request, ...other })).toMatchObject({ end: "peer-denied" });
    }
  });

  test("denies those of the process that was at its address before", async () => {
    const fill = new MemoryFill("http://origin.example/").finish();
    await using two = await twoReplicas(fill);
    const holder = two.request.holder.replace("#boot-1", "#boot-0");
    expect(await takeRelay(two.peers, { ...two.request, holder })).toMatchObject({ end: "peer-denied" });
    expect(fill.came).toBe(0);
  });

  test("does not deny what it is in doubt of (I7)", async () => {
    const fault = new CisternError("catalog-unavailable", "down");
    const host: RelayHost = { find: () => Promise.reject(fault) };
    await using server = await startRelayServer(host);
    await using peers = openPeers();
    expect(await takeRelay(peers, relayRequest(server.self))).toMatchObject({ end: "peer-unreachable" });
    expect(server.faults).toEqual([fault]);
  });

  test("gives up its search when the other leaves", async () => {
    const begun = Promise.withResolvers<AbortSignal>();
    const host: RelayHost = {
      find: (_key, _fence, _offset, signal) => {
        begun.resolve(signal);
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      },
    };
    await using server = await startRelayServer(host);
    await using peers = openPeers();
    const gone = new AbortController();
    const taken = takeRelay(peers, relayRequest(server.self), gone.signal);
    const searching = await begun.promise;
    const searched = new Promise((resolve) => searching.addEventListener("abort", resolve));
    gone.abort(new Error("enough"));
    expect(await taken).toMatchObject({ end: "Error: enough" });
    await searched;
    expect(server.faults).toEqual([]);
  });
});

describe("who may ask for a relay", () => {
  const now = Date.now();
  const credentials = new SharedSecret(SECRET, () => now);

  async function asking(
    change: (target: string, authorization: string) => { target?: string; authorization?: string; method?: string },
  ) {
    const fill = new MemoryFill(URL_WITH_SECRETS).append(Buffer.from("secret bytes")).finish();
    const host = new MemoryRelayHost();
    host.begin("key", 1, fill);
    host.begin("other", 1, fill);
    await using server = await startRelayServer(host, { databaseNow: () => now });
    const target = relayTarget(relayRequest(server.self));
    const signed = credentials.sign({ method: "GET", target });
    const asked = { target, authorization: signed, method: "GET", ...change(target, signed) };
    const headers: Record<string, string> = asked.authorization === "" ? {} : { authorization: asked.authorization };
    return await ask(server.url + asked.target, { method: asked.method, headers });
  }

  test("is who has the secret", async () => {
    const answer = await asking(() => ({}));
    expect(answer).toMatchObject({ status: 200, complete: true, body: Buffer.from("secret bytes") });
  });

  test.each([
    ["nothing to show for it", () => ({ authorization: "" })],
    ["another scheme", () => ({ authorization: "Basic YWRtaW46YWRtaW4=" })],
    ["a MAC that is none", () => ({ authorization: `Cistern-Peer ${now + 10_000}.` })],
    [
      "another secret",
      (target: string) => ({ authorization: new SharedSecret("guessed", () => now).sign({ method: "GET", target }) }),
    ],
    ["another key in the query", (target: string) => ({ target: target.replace("key=key", "key=other") })],
    ["another fence in the query", (target: string) => ({ target: target.replace("fence=1", "fence=2") })],
    ["another offset in the query", (target: string) => ({ target: target.replace("offset=0", "offset=1") })],
    ["another holder in the query", (target: string) => ({ target: target.replace("boot-1", "boot-2") })],
    ["one more parameter", (target: string) => ({ target: `${target}&key=other` })],
    ["another method", () => ({ method: "HEAD" })],
    ["a later expiry", (_: string, signed: string) => ({ authorization: signed.replace(/\d+\./, `${now + 16_000}.`) })],
    ["one that has expired", (target: string) => ({ authorization: at(target, -15_000) })],
    ["one that would hold for longer than any does", (target: string) => ({ authorization: at(target, 15_001) })],
  ])("and not who has %s: 401, and not a word more", async (_, change) => {
    const answer = await asking(change);
    expect(answer).toMatchObject({ status: 401, body: Buffer.alloc(0) });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("cistern"))).toEqual([]);
  });

  test.each([
    ["a fence that is no number", (target: string) => target.replace("fence=1", "fence=x")],
    ["a fence that is too large", (target: string) => target.replace("fence=1", "fence=9999999999999999")],
    ["an offset below 0", (target: string) => target.replace("offset=0", "offset=-1")],
    ["no key", (target: string) => target.replace("key=key&", "")],
    ["no holder", (target: string) => target.replace(/&holder=.*/, "")],
  ])("and who has it, but asks for %s, is told so", async (_, change) => {
    const answer = await asking((target) => {
      const bad = change(target);
      return { target: bad, authorization: credentials.sign({ method: "GET", target: bad }) };
    });
    expect(answer.status).toBe(400);
  });

  /** Signed by a replica that is so far ahead. */
  function at(target: string, ahead: number): string {
    return new SharedSecret(SECRET, () => now + ahead).sign({ method: "GET", target });
  }
});
