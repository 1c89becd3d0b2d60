import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { digestOf } from "../support/fault-origin.ts";

const BYTES = randomBytes(1_024);
let cistern: Embedded;
let blob: string;

beforeAll(async () => {
  cistern = await startEmbedded();
  const json = { "Content-Type": "application/json" };
  const body = JSON.stringify({ name: "small", container_format: "bare", disk_format: "raw" });
  const { id } = JSON.parse(String((await cistern.ask("POST", "/artifacts/images", { headers: json, body })).body));
  blob = `/artifacts/images/${id}/image`;
  await cistern.ask("PUT", blob, { headers: { "Content-Type": "application/octet-stream" }, body: BYTES });
  const activate = JSON.stringify([{ op: "replace", path: "/status", value: "active" }]);
  const patch = { "Content-Type": "application/json-patch+json" };
  await cistern.ask("PATCH", `/artifacts/images/${id}`, { headers: patch, body: activate });
});
afterAll(() => cistern[Symbol.asyncDispose]());

describe("a small hot hit", () => {
  test("is the same answer as the first one, which came by way of the routes", async () => {
    const cold = await cistern.ask("GET", blob);
    const hot = await cistern.ask("GET", blob);
    expect(hot.body.equals(BYTES) && cold.body.equals(BYTES)).toBe(true);
    const { date: _a, ...coldHeaders } = cold.headers;
    const { date: _b, ...hotHeaders } = hot.headers;
    expect(hotHeaders).toEqual(coldHeaders);
    expect(hot.headers["cache-status"]).toBe("Cistern; hit");
  });

  test("honours ranges and conditions", async () => {
    const headers = (given: Record<string, string>) => cistern.ask("GET", blob, { headers: given });
    const part = await headers({ Range: "bytes=10-19" });
    expect([part.status, part.headers["content-range"], part.body.equals(BYTES.subarray(10, 20))]).toEqual([
      206,
      "bytes 10-19/1024",
      true,
    ]);
    expect((await headers({ "If-None-Match": `"${digestOf(BYTES)}"` })).status).toBe(304);
    expect((await headers({ Range: "bytes=5000-" })).status).toBe(416);
    expect((await headers({ "If-Match": '"other"' })).status).toBe(412);
  });

  test("I6: is authorised as a miss is", async () => {
    await cistern.ask("GET", blob);
    expect((await cistern.ask("GET", blob, { token: null })).status).toBe(401);
    expect((await cistern.ask("GET", blob, { token: "cst_made-up" })).status).toBe(401);
    const stranger = await cistern.token("another-project", ["member"]);
    // The second time the verdict on the token is cached, and so is the blob.
    for (const status of [404, 404]) expect((await cistern.ask("GET", blob, { token: stranger })).status).toBe(status);
  });

  test("ends with the record", async () => {
    await cistern.ask("GET", blob);
    await cistern.ask("DELETE", blob.replace(/\/image$/, ""));
    expect((await cistern.ask("GET", blob)).status).toBe(404);
  });
});
