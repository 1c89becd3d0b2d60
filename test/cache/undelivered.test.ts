import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";

const MIB = 2 ** 20;
let cistern: Embedded;
let origin: FaultOrigin;

beforeAll(async () => {
  origin = await startFaultOrigin();
  cistern = await startEmbedded({
    env: {
      CISTERN_CACHE_BYTES: String(64 * MIB),
      CISTERN_SPOOL_BYTES: String(256 * MIB),
      CISTERN_ORIGIN_HOSTS: `127.0.0.1:${origin.port}`,
    },
  });
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

test("nothing is evicted for a content whose origin does not deliver it", async () => {
  const stranger = await cistern.token("stranger", ["member"]);
  const owner = await cistern.token("owner", ["member"]);
  const bytes = randomBytes(8 * MIB);
  origin.serve("/good", bytes);
  const blob = await cistern.image({ url: origin.url("/good"), sha256: digestOf(bytes) }, {}, owner);
  expect((await cistern.ask("GET", blob, { token: owner })).status).toBe(200);
  await expect
    .poll(async () => (await cistern.ask("HEAD", blob, { token: owner })).headers["cache-status"])
    .toBe("Cistern; hit");
  const absent = await cistern.image(
    { url: origin.url("/absent"), sha256: "ab".repeat(32), size: 60 * MIB },
    {},
    stranger,
  );
  expect((await cistern.ask("GET", absent, { token: stranger })).status).toBe(502);
  expect((await cistern.ask("HEAD", blob, { token: owner })).headers["cache-status"]).toBe("Cistern; hit");
});
