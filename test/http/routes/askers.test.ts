import { describe, expect, test } from "vitest";
import { ASKERS_PATH, askersTarget, MAX_ASKERS_BYTES, writeAskers } from "../../../src/domain/askers-wire.ts";
import type { BlobId } from "../../../src/domain/blob.ts";
import type { RecentAsker } from "../../../src/domain/recent-asker.ts";
import { DENIAL, RELAY_FIELDS } from "../../../src/domain/relay-wire.ts";
import { SharedSecret } from "../../../src/origin/peer/shared-secret.ts";
import { proofOf, type Script, startScriptedPeer } from "../../origin/peer/scripted-peer.ts";
import { ask } from "../../support/http-client.ts";
import { MemoryRelayHost } from "../../support/memory-relay-host.ts";
import { NEVER, openPeers } from "../../support/relay-client.ts";
import { SECRET, startRelayServer } from "../../support/relay-server.ts";

function asker(number: number): RecentAsker {
  const address = `10.0.${number >> 8}.${number & 255}`;
  const principal = { tokenId: "t", project: "p", roles: ["reader"], address } as const;
  return { principal, blob: `b-${number}` as BlobId, age: number };
}

const ASKERS = Array.from({ length: 4_096 }, (_, number) => asker(number));
const start = (options = {}) => startRelayServer(new MemoryRelayHost(), { askers: ASKERS, ...options });

describe("a replica that is asked who has asked it", () => {
  test("tells another one all of them", async () => {
    await using server = await start();
    await using peers = openPeers();
    expect(await peers.askers(server.self, NEVER)).toEqual(ASKERS);
    expect(server.faults).toEqual([]);
  });

  test("denies to be the process that was at its address before", async () => {
    await using server = await start();
    await using peers = openPeers();
    const before = server.self.replace("#boot-1", "#boot-0");
    await expect(peers.askers(before, NEVER)).rejects.toMatchObject({ code: "peer-denied" });
  });

  test("tells nothing to one with another secret", async () => {
    await using server = await start();
    await using peers = openPeers({ secret: "guessed, and as long as the right one is" });
    await expect(peers.askers(server.self, NEVER)).rejects.toMatchObject({
      code: "peer-unreachable",
      cause: { message: expect.stringContaining("CISTERN_CLUSTER_SECRET") },
    });
  });

  test.each<[string, (target: string) => { target?: string; authorization?: string; method?: string }]>([
    ["nothing to show for it", () => ({ authorization: "" })],
    ["an admin's token", () => ({ authorization: "Bearer cst_an-admin-token" })],
    ["what was signed for another holder", (target) => ({ target: target.replace("boot-1", "boot-2") })],
    [
      "what was signed for a relay",
      (target) => ({ authorization: signed(target.replace(ASKERS_PATH, "/internal/fills")) }),
    ],
    ["what was signed for another method", () => ({ method: "HEAD" })],
    ["what has expired", (target) => ({ authorization: signed(target, Date.now() - 15_000) })],
  ])("answers who has %s 401, and not a word more", async (_, change) => {
    await using server = await start();
    const target = askersTarget(server.self);
    const asked = { target, authorization: signed(target), method: "GET", ...change(target) };
    const headers: Record<string, string> = asked.authorization === "" ? {} : { authorization: asked.authorization };
    const answer = await ask(server.url + asked.target, { method: asked.method, headers });
    expect(answer).toMatchObject({ status: 401, body: Buffer.alloc(0) });
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("cistern"))).toEqual([]);
  });

  function signed(target: string, now = Date.now()): string {
    return new SharedSecret(SECRET, () => now).sign({ method: "GET", target });
  }
});

describe("whatever answers at a replica's address", () => {
  const TEXT = writeAskers([asker(1)]);
  const head = (line: string, fields: Record<string, string | number> = {}) => {
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
    return `HTTP/1.1 ${line}\r\n${lines.join("")}\r\n`;
  };
  const sends = (text: string, proof: string | undefined, length = text.length): string =>
    head("200 OK", { "Content-Length": length, ...(proof === undefined ? {} : { [RELAY_FIELDS.proof]: proof }) }) +
    text;

  async function heard(script: Script, signal = NEVER, timeouts = {}) {
    await using peer = await startScriptedPeer(script);
    await using peers = openPeers({ timeouts });
    return await peers.askers(peer.self, signal);
  }

  test("is heard with a proof of its very answer to this very request", async () => {
    expect(await heard((socket, asked) => socket.write(sends(TEXT, proofOf(TEXT, asked))))).toEqual([asker(1)]);
  });

  test.each<[string, Script]>([
    ["is an older version: 404", (socket) => socket.write(head("404 Not Found", { "Content-Length": 0 }))],
    ["fails", (socket) => socket.write(head("503 Service Unavailable", { "Content-Length": 0 }))],
    ["leads elsewhere", (socket) => socket.write(head("302 Found", { Location: "/", "Content-Length": 0 }))],
    ["denies without a proof", (socket) => socket.write(head("409 Conflict", { "Content-Length": 0 }))],
    ["proves nothing", (socket) => socket.write(sends(TEXT, undefined))],
    ["has another secret", (socket, asked) => socket.write(sends(TEXT, proofOf(TEXT, asked, "guessed")))],
    ["answers another request", (socket, asked) => socket.write(sends(TEXT, proofOf(TEXT, `${asked}x`)))],
    ["proves another answer", (socket, asked) => socket.write(sends(TEXT, proofOf(DENIAL, asked)))],
    ["proves what is no list", (socket, asked) => socket.write(sends("{}", proofOf("{}", asked)))],
    ["breaks off", (socket, asked) => socket.end(sends(TEXT, proofOf(TEXT, asked), TEXT.length + 1))],
    [
      "does not come to an end",
      (socket, asked) => {
        socket.write(sends("", proofOf(TEXT, asked), MAX_ASKERS_BYTES * 100));
        const more = () => void (socket.writable && socket.write(Buffer.alloc(1 << 20, " "), () => setImmediate(more)));
        more();
      },
    ],
  ])("and %s is not heard", async (_, script) => {
    await expect(heard(script)).rejects.toMatchObject({ code: "peer-unreachable" });
  });

  test.each<[string, Script]>([
    ["says nothing", () => undefined],
    ["says nothing after the head", (socket, asked) => socket.write(sends("", proofOf(TEXT, asked), 100))],
  ])("and %s is given up with the signal", async (_, script) => {
    await expect(heard(script, AbortSignal.timeout(300))).rejects.toMatchObject({ name: "TimeoutError" });
  });
});
