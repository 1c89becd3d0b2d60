import { setImmediate } from "node:timers/promises";
import { setDefaultCACertificates } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import type { CisternError } from "../../src/domain/errors.ts";
import { AddressGuard } from "../../src/origin/address-guard.ts";
import { guardedConnector, systemResolve } from "../../src/origin/guarded-connector.ts";
import { certificate, startFaultOrigin } from "../support/fault-origin.ts";
import { at, openSource, take } from "./open-source.ts";

const BLOB = Buffer.from("the bytes");

/** A resolver that answers one list after another, the last for ever, and counts. */
function answering(...lists: (readonly string[])[]) {
  const asked: string[] = [];
  const resolve = async (hostname: string) => {
    asked.push(hostname);
    return lists[Math.min(asked.length, lists.length) - 1] ?? [];
  };
  return { asked, resolve };
}

describe("names and addresses (I8)", () => {
  test.each([
    ["127.0.0.1"],
    ["::1"],
    ["::ffff:127.0.0.1"],
    ["10.0.0.7"],
    ["169.254.169.254"],
    ["64:ff9b::7f00:1"],
    ["fe80::1%lo"],
  ])("a name that leads to %s is not connected to", async (address) => {
    await using origin = await startFaultOrigin();
    origin.serve("/b", BLOB);
    const { resolve } = answering([address]);
    await using source = openSource({ allow: [] }, { resolve });
    const outcome = await take(source, origin.url("/b", "inside.test"));
    expect(outcome.end).toBe("address-not-allowed");
    expect(origin.connections).toBe(0);
  });

  test.each(["127.0.0.1", "::1", "::ffff:127.0.0.1"])(
    "the connector itself refuses the literal %s",
    async (hostname) => {
      await using origin = await startFaultOrigin({ host: "::" });
      const connect = guardedConnector(new AddressGuard([], () => []), systemResolve, 1_000);
      const { promise, resolve } = Promise.withResolvers<Error | null>();
      connect({ hostname, protocol: "http:", port: String(origin.port) }, (...[error]) => resolve(error));
      expect(await promise).toMatchObject({ code: "address-not-allowed" });
      expect(origin.connections).toBe(0);
    },
  );

  test("of several addresses only those that pass are used", async () => {
    await using origin = await startFaultOrigin();
    origin.serve("/b", BLOB);
    const { resolve } = answering(["10.0.0.7", "169.254.169.254", "127.0.0.1", "::1"]);
    await using source = openSource({ allow: ["127.0.0.1/32"] }, { resolve });
    expect(await take(source, origin.url("/b", "mixed.test"))).toMatchObject({ end: "complete", bytes: BLOB });
  });

  test("a name that changes its address after the check gains nothing: one look-up, and it is the one connected to", async () => {
    // It listens on every address, so that only the guard stands in the way.
    await using origin = await startFaultOrigin({ host: "0.0.0.0" });
    origin.serve("/b", BLOB);
    const names = answering(["127.0.0.1"], ["127.0.0.2"]);
    await using source = openSource({ allow: ["127.0.0.1/32"] }, { resolve: names.resolve });
    const url = origin.url("/b", "rebinding.test");
    expect((await take(source, url)).end).toBe("complete");
    expect(names.asked).toEqual(["rebinding.test"]);
    origin.dropConnections();
    await expect.poll(() => origin.openConnections).toBe(0);
    expect((await take(source, url)).end).toBe("address-not-allowed");
    expect(names.asked).toHaveLength(2);
    expect(origin.connections).toBe(1);
  });

  test("every redirect hop is checked: by name, by literal, by list", async () => {
    await using origin = await startFaultOrigin({ host: "0.0.0.0" });
    origin.serve("/b", BLOB);
    origin.serve("/name", BLOB, { redirect: origin.url("/b", "inside.test") });
    origin.serve("/literal", BLOB, { redirect: `http://0x7f.2:${origin.port}/b` });
    origin.serve("/fine", BLOB, { redirect: origin.url("/b", "listed.test") });
    origin.serve("/unlisted", BLOB, { redirect: origin.url("/b", "unlisted.test") });
    const resolve = async (name: string) => (name === "inside.test" ? ["127.0.0.2"] : ["127.0.0.1"]);
    const memberHosts = [`listed.test:${origin.port}`];
    await using source = openSource({ allow: ["127.0.0.1/32"], memberHosts }, { resolve });
    const from = (path: string) => origin.url(path, "listed.test");
    expect((await take(source, from("/name"))).end).toBe("address-not-allowed");
    expect((await take(source, from("/literal"))).end).toBe("address-not-allowed");
    expect((await take(source, from("/unlisted"))).end).toBe("complete");
    const member = (path: string) => take(source, from(path), { location: at(from(path), "member") });
    expect((await member("/fine")).end).toBe("complete");
    expect((await member("/unlisted")).end).toBe("host-not-allowed");
    expect(origin.requests("/b")).toHaveLength(2);
  });

  test("a member learns the same of every connection that fails", async () => {
    await using origin = await startFaultOrigin({ tls: true });
    const closed = await startFaultOrigin();
    const { port } = closed;
    await closed[Symbol.asyncDispose]();
    const resolve = async (name: string) => {
      if (name === "unknown.test") throw Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" });
      return name === "inside.test" ? ["10.0.0.7"] : name === "empty.test" ? [] : ["127.0.0.1"];
    };
    const memberHosts = [`*.test:${port}`, `*.test:${origin.port}`];
    const timeouts = { connectMs: 300, headersMs: 1000, stallMs: 1000, sizeMs: 1000 };
    await using source = openSource({ memberHosts, timeouts }, { resolve });
    // Nothing accepts here: the name server never answers.
    await using deaf = openSource({ memberHosts, timeouts }, { resolve: () => new Promise(() => {}) });
    const outcomes = [
      await take(source, "", { location: at(`http://unknown.test:${port}/`, "member") }),
      await take(source, "", { location: at(`http://empty.test:${port}/`, "member") }),
      await take(source, "", { location: at(`http://inside.test:${port}/`, "member") }),
      await take(source, "", { location: at(`http://refused.test:${port}/`, "member") }),
      await take(source, "", { location: at(`https://mistrusted.test:${origin.port}/`, "member") }),
      await take(deaf, "", { location: at(`http://slow.test:${port}/`, "member") }),
    ];
    const told = outcomes.map(({ error }) => error as CisternError);
    expect(told.map(({ code, message }) => `${code}: ${message}`)).toEqual(
      Array(6).fill("origin-unreachable: the origin cannot be reached"),
    );
    // The detail is there, for the log.
    expect(told.every(({ cause }) => cause instanceof Error)).toBe(true);
  });

  test("a connection that an admin's location opened is not used for a member's", async () => {
    await using origin = await startFaultOrigin();
    origin.serve("/b", BLOB);
    await using source = openSource({ memberHosts: [`127.0.0.1:${origin.port}`] });
    const ports = () => origin.requests().map((request) => request.clientPort);
    const own = { location: at(origin.url("/b"), "member") };
    for (let asked = 0; asked < 4; asked++) {
      await take(source, origin.url("/b"));
      // A connection is free again a turn of the event loop after its answer.
      await setImmediate();
    }
    const opened = new Set(ports());
    expect(opened.size).toBeLessThan(4);
    await take(source, "", own);
    expect(opened.has(ports()[4] ?? 0)).toBe(false);
  });

  test("Cistern's own listener is no origin, by address, by name, by redirect", async () => {
    await using origin = await startFaultOrigin();
    await using own = await startFaultOrigin();
    origin.serve("/b", BLOB, { redirect: own.url("/b") });
    const endpoints = [
      { host: "0.0.0.0", port: own.port },
      { host: "cistern.test", port: own.port },
    ];
    const resolve = async () => ["127.0.0.1"];
    await using source = openSource({ ownAddresses: () => endpoints }, { resolve });
    for (const url of [own.url("/b"), own.url("/b", "other.test"), own.url("/b", "cistern.test"), origin.url("/b")]) {
      expect((await take(source, url)).end, url).toBe("origin-loop");
    }
    expect(own.connections).toBe(0);
    expect(() => source.admissible(at(own.url("/b")))).toThrow(/Cistern itself/);
  });

  test("what needs no name server is refused before one is asked", async () => {
    const names = answering(["127.0.0.1"]);
    await using source = openSource({ allow: [], memberHosts: ["listed.test"] }, { resolve: names.resolve });
    expect(() => source.admissible(at("http://2130706433/"))).toThrow(/address/);
    expect(() => source.admissible(at("http://unlisted.test/", "member"))).toThrow(/members/);
    expect(() => source.admissible(at("http://listed.test/", "member"))).not.toThrow();
    expect((await take(source, "http://unlisted.test/", { location: at("http://unlisted.test/", "member") })).end).toBe(
      "host-not-allowed",
    );
    expect(names.asked).toEqual([]);
  });
});

describe("https", () => {
  afterEach(() => setDefaultCACertificates([]));

  test("verifies the name of the URL, though it connects to an address", async () => {
    setDefaultCACertificates([certificate]);
    await using origin = await startFaultOrigin({ tls: true });
    origin.serve("/b", BLOB);
    await using source = openSource({}, { resolve: async () => ["127.0.0.1"] });
    expect(await take(source, origin.url("/b", "mirror.test"))).toMatchObject({ end: "complete", bytes: BLOB });
    expect(await take(source, origin.url("/b", "mirror.test."))).toMatchObject({ end: "complete", bytes: BLOB });
    expect(await take(source, origin.url("/b"))).toMatchObject({ end: "complete", bytes: BLOB });
    expect((await take(source, origin.url("/b", "elsewhere.example"))).end).toBe("origin-unreachable");
  });

  test("does not trust a certificate that nobody has signed", async () => {
    await using origin = await startFaultOrigin({ tls: true });
    origin.serve("/b", BLOB);
    await using source = openSource();
    expect((await take(source, origin.url("/b"))).end).toBe("origin-unreachable");
    expect(origin.requests()).toHaveLength(0);
  });

  test("is not left for http by a redirect", async () => {
    setDefaultCACertificates([certificate]);
    await using plain = await startFaultOrigin();
    await using secure = await startFaultOrigin({ tls: true });
    plain.serve("/b", BLOB);
    secure.serve("/down", BLOB, { redirect: plain.url("/b") });
    secure.serve("/b", BLOB);
    plain.serve("/up", BLOB, { redirect: secure.url("/b") });
    await using source = openSource();
    expect((await take(source, secure.url("/down"))).end).toBe("origin-refused");
    expect(plain.connections).toBe(0);
    expect((await take(source, plain.url("/up"))).end).toBe("complete");
  });
});
