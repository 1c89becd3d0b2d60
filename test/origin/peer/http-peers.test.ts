import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../../src/domain/digest.ts";
import { DENIAL, RELAY_FIELDS, type RelayEnd, relayEndFields } from "../../../src/domain/relay-wire.ts";
import { startProgram } from "../../support/child-program.ts";
import { freePort } from "../../support/free-port.ts";
import { openPeers, relayRequest, takeRelay } from "../../support/relay-client.ts";
import {
  chunk,
  ending,
  HEAD,
  proofOf,
  type Script,
  startScriptedPeer,
  trailers,
  URL_OF_BYTES,
} from "./scripted-peer.ts";

const BYTES = "the bytes";
const VERDICT: RelayEnd = {
  kind: "verdict",
  verdict: { sha256: sha256(createHash("sha256").update(BYTES).digest("hex")), size: BYTES.length },
};
const FAILURE: RelayEnd = { kind: "failure", code: "digest-mismatch" };
const PROCESS = new URL("../../support/relay-process.ts", import.meta.url).pathname;

/** What comes of a relay from something that answers so. */
async function relayed(script: Script, timeouts = {}) {
  await using peer = await startScriptedPeer(script);
  await using peers = openPeers({ timeouts });
  return await takeRelay(peers, relayRequest(peer.self));
}

describe("a relayed body", () => {
  test("is complete with a proved verdict, in whatever pieces it comes", async () => {
    const outcome = await relayed((socket, authorization) => {
      const text = HEAD + chunk("the ") + chunk("bytes") + ending(VERDICT, authorization);
      socket.setNoDelay(true);
      for (const character of text) socket.write(character);
    });
    expect(outcome).toMatchObject({ end: "complete", length: BYTES.length });
    expect(outcome.answer).toMatchObject({ url: URL_OF_BYTES, validator: undefined, total: undefined });
  });

  test.each<[string, Script]>([
    ["ends without trailers", (socket) => socket.write(`${HEAD}${chunk(BYTES)}0\r\n\r\n`)],
    [
      "ends with a verdict that nothing proves",
      (socket) => {
        socket.write(HEAD + chunk(BYTES) + trailers(relayEndFields(VERDICT)));
      },
    ],
    [
      "ends with a verdict of somebody with another secret",
      (socket, authorization) => {
        socket.write(HEAD + chunk(BYTES) + ending(VERDICT, authorization, "guessed"));
      },
    ],
    [
      "ends with a verdict that was given to another request",
      (socket, authorization) => {
        socket.write(HEAD + chunk(BYTES) + ending(VERDICT, `${authorization}x`));
      },
    ],
    [
      "has another head than its verdict is about",
      (socket, authorization) => {
        socket.write(HEAD.replace("blob", "blub") + chunk(BYTES) + ending(VERDICT, authorization));
      },
    ],
    [
      "has another number of bytes than its verdict",
      (socket, authorization) => {
        socket.write(HEAD + chunk("the byte") + ending(VERDICT, authorization));
      },
    ],
    [
      "ends with a failure that nothing proves",
      (socket) => {
        socket.write(HEAD + chunk(BYTES) + trailers(relayEndFields(FAILURE)));
      },
    ],
    [
      "ends with a verdict that is none",
      (socket, authorization) => {
        const proof = proofOf("", authorization);
        socket.write(HEAD + chunk(BYTES) + trailers({ [RELAY_FIELDS.verdict]: "fine", [RELAY_FIELDS.proof]: proof }));
      },
    ],
    [
      "has its verdict before the bytes",
      (socket, authorization) => {
        const early = ending(VERDICT, authorization).slice(3, -2);
        socket.write(`${HEAD.slice(0, -2)}${early}\r\n${chunk(BYTES)}0\r\n\r\n`);
      },
    ],
    [
      "has a length instead of chunks",
      (socket) => {
        socket.write(HEAD.replace("Transfer-Encoding: chunked", `Content-Length: ${BYTES.length}`) + BYTES);
      },
    ],
    [
      "is delimited by the end of the connection",
      (socket) => {
        socket.end(HEAD.replace("Transfer-Encoding: chunked", "Connection: close") + BYTES);
      },
    ],
    ["is cut between two chunks", (socket) => socket.end(HEAD + chunk(BYTES))],
    ["is cut within a chunk", (socket) => socket.end(HEAD + chunk(BYTES).slice(0, -4))],
    [
      "is cut within its trailers",
      (socket, authorization) => {
        socket.end(HEAD + chunk(BYTES) + ending(VERDICT, authorization).slice(0, -2));
      },
    ],
    ["is reset", (socket) => socket.write(HEAD + chunk(BYTES), () => socket.resetAndDestroy())],
    ["has chunks that are none", (socket) => socket.write(`${HEAD}${chunk(BYTES)}zz\r\n`)],
  ])("that %s is never complete, and nobody knows whether the fill runs", async (_, script) => {
    const outcome = await relayed(script);
    expect(outcome.end).toBe("peer-unreachable");
    expect(() => outcome.answer?.verdict()).toThrow("before its end");
  });

  test("that stalls is given up after the stall time-out", async () => {
    const outcome = await relayed((socket) => socket.write(HEAD + chunk(BYTES)), { stallMs: 200 });
    expect(outcome).toMatchObject({ end: "peer-unreachable", length: BYTES.length });
  });

  test("that nobody reads does not keep its connection", async () => {
    const closed = Promise.withResolvers<void>();
    await using peer = await startScriptedPeer((socket) => {
      socket.once("close", () => closed.resolve());
      socket.write(HEAD);
    });
    await using peers = openPeers({ timeouts: { stallMs: 100 } });
    await peers.relay(relayRequest(peer.self), new AbortController().signal);
    await closed.promise;
  });

  test("of a fill that failed carries the failure, with the origin's host", async () => {
    const outcome = await relayed((socket, authorization) => {
      socket.write(HEAD + chunk("the ") + ending(FAILURE, authorization));
    });
    expect(outcome).toMatchObject({ end: "digest-mismatch", length: 4, error: { origin: "origin.example" } });
  });
});

describe("whatever answers at a replica's address", () => {
  const status = (line: string, fields: Record<string, string> = {}): Script => {
    const lines = Object.entries({ "Content-Length": "0", ...fields }).map(([name, value]) => `${name}: ${value}\r\n`);
    return (socket) => socket.write(`HTTP/1.1 ${line}\r\n${lines.join("")}\r\n`);
  };

  test("denies a fill only when it proves that it is a replica", async () => {
    const denying = (proof: (authorization: string) => string): Script => {
      return (socket, authorization) =>
        status("409 Conflict", { [RELAY_FIELDS.proof]: proof(authorization) })(socket, "");
    };
    const end = async (script: Script) => (await relayed(script)).end;
    expect(await end(denying((authorization) => proofOf(DENIAL, authorization)))).toBe("peer-denied");
    expect(await end(denying((authorization) => proofOf(DENIAL, authorization, "guessed")))).toBe("peer-unreachable");
    expect(await end(denying((authorization) => proofOf(DENIAL, `${authorization}x`)))).toBe("peer-unreachable");
    expect(await end(status("409 Conflict"))).toBe("peer-unreachable");
  });

  test.each([
    ["401 Unauthorized"],
    ["404 Not Found"],
    ["500 Internal Server Error"],
    ["503 Service Unavailable"],
    ["204 No Content"],
    ["200 OK"],
  ])("with %s is no answer that counts", async (line) => {
    expect((await relayed(status(line))).end).toBe("peer-unreachable");
  });

  test("with a URL that cannot be read is no answer that counts", async () => {
    const outcome = await relayed((socket) => socket.write(HEAD.replace("http%3A", "%zz")));
    expect(outcome.end).toBe("peer-unreachable");
  });

  test("cannot lead elsewhere", async () => {
    await using elsewhere = await startScriptedPeer(status("200 OK"));
    const location = elsewhere.self.replace("#boot-1", "/internal/fills");
    expect((await relayed(status("302 Found", { Location: location }))).end).toBe("peer-unreachable");
    expect(elsewhere.connections).toBe(0);
  });

  test("is given up when no head comes", async () => {
    expect((await relayed(() => undefined, { headersMs: 200 })).end).toBe("peer-unreachable");
  });

  test("is given up when only 1xx heads come", async () => {
    const outcome = await relayed(
      (socket) => {
        const more = () =>
          void (socket.writable && socket.write("HTTP/1.1 103 Early Hints\r\n\r\n", () => setImmediate(more)));
        more();
      },
      { connectMs: 100, headersMs: 200 },
    );
    expect(outcome.end).toBe("peer-unreachable");
  });

  test("is nothing at all: refused at once, and so is a holder that is no URL", async () => {
    await using peers = openPeers();
    const refused = `http://127.0.0.1:${await freePort()}#boot-1`;
    for (const holder of [refused, "embedded", "ftp://replica#boot-1"]) {
      expect((await takeRelay(peers, relayRequest(holder))).end).toBe("peer-unreachable");
    }
  });

  test("is not waited for by who has left", async () => {
    const asked = Promise.withResolvers<void>();
    await using peer = await startScriptedPeer(() => asked.resolve());
    await using peers = openPeers();
    const gone = new AbortController();
    const taken = takeRelay(peers, relayRequest(peer.self), gone.signal);
    await asked.promise;
    gone.abort(new Error("enough"));
    expect((await taken).end).toBe("Error: enough");
    expect((await takeRelay(peers, relayRequest(peer.self), gone.signal)).end).toBe("Error: enough");
    expect(peer.connections).toBe(1);
  });
});

describe("a replica that dies", () => {
  const start = () => startProgram(process.execPath, [PROCESS]);

  test("by kill -9 while it sends is noticed at once, and so is that it is gone", async () => {
    await using program = await start();
    const request = relayRequest(await program.firstLine());
    await using peers = openPeers();
    const outcome = await takeRelay(peers, request, undefined, async (length) => {
      if (length === 1024 * 1024) await program.kill("SIGKILL");
    });
    expect(outcome).toMatchObject({ end: "peer-unreachable", length: 1024 * 1024 });
    expect((await takeRelay(peers, request)).end).toBe("peer-unreachable");
  });

  test("without a word (its machine is gone) is noticed by the time-outs", async () => {
    await using program = await start();
    const request = relayRequest(await program.firstLine());
    await using peers = openPeers({ timeouts: { stallMs: 300, headersMs: 300 } });
    const outcome = await takeRelay(peers, request, undefined, (length) => {
      if (length === 1024 * 1024) process.kill(program.pid, "SIGSTOP");
    });
    expect(outcome).toMatchObject({ end: "peer-unreachable", length: 1024 * 1024 });
    // Its kernel still takes connections.
    expect((await takeRelay(peers, request)).end).toBe("peer-unreachable");
    await program.kill("SIGKILL");
  });
});
