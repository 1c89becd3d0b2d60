import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { putLocation, replace, someImage } from "../artifacts.ts";
import { call, LOCATION_TYPE } from "../call.ts";
import { type Edge, MEMBER_HOST, openEdge } from "../edge.ts";

let edge: Edge;
let admin = "";

beforeAll(async () => {
  edge = await openEdge();
  admin = await edge.token("admin", ["admin"]);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

describe("secrets in a URL", () => {
  const SECRETS = ["hunter2user", "hunter2password", "hunter2signature"];
  const SECRET_URL = `https://${SECRETS[0]}:${SECRETS[1]}@${MEMBER_HOST}/x.img?v=1&X-Amz-Signature=${SECRETS[2]}`;

  test("are in no answer, list, header or error, for nobody", async () => {
    const project = randomUUID();
    const owner = await edge.token(project, ["member"]);
    const auditor = await edge.token("audit", ["auditor"]);
    const path = await someImage(edge, owner);
    const seen: string[] = [];
    const see = async (sent: ReturnType<typeof call>) => {
      const answer = await sent;
      seen.push(answer.text, JSON.stringify(answer.headers));
      return answer.status;
    };
    const blob = `${path}/image`;
    expect(await see(putLocation(edge, owner, blob, { url: SECRET_URL, sha256: "1".repeat(64) }))).toBe(200);
    for (const token of [owner, admin, auditor]) {
      expect(await see(call(edge.port, "GET", path, { token }))).toBe(200);
      expect(await see(call(edge.port, "GET", `/artifacts/all?owner=${project}`, { token }))).toBe(200);
    }
    expect(await see(replace(edge, owner, path, "status", "active"))).toBe(200);
    const bad = SECRET_URL.replace("https", "ftp");
    expect(await see(putLocation(edge, owner, blob, { url: SECRET_URL }))).toBe(409);
    expect(await see(putLocation(edge, owner, blob, { url: bad }))).toBe(400);
    expect(await see(putLocation(edge, owner, blob, { url: `${SECRET_URL}#x` }))).toBe(400);
    expect(await see(putLocation(edge, owner, blob, { url: SECRET_URL.replace(MEMBER_HOST, "evil.example") }))).toBe(
      403,
    );
    expect(await see(putLocation(edge, owner, blob, { url: SECRET_URL.replace(MEMBER_HOST, "127.0.0.1") }))).toBe(403);
    expect(await see(putLocation(edge, owner, blob, { url: SECRET_URL, sha256: "f".repeat(64) }, "*"))).toBe(409);
    expect(await see(putLocation(edge, owner, blob, { url: `${SECRET_URL}&w=2` }, "*"))).toBe(200);
    const broken = `{"url":"${SECRET_URL}",`;
    const headers = { "Content-Type": LOCATION_TYPE };
    expect(await see(call(edge.port, "PUT", blob, { token: owner, body: broken, headers }))).toBe(400);
    expect(await see(call(edge.port, "DELETE", blob, { token: owner }))).toBe(200);
    const all = seen.join("\n");
    for (const secret of SECRETS) expect(all).not.toContain(secret);
    expect(all).toContain(`${MEMBER_HOST}/x.img?v=1&X-Amz-Signature=***`);
  });
});
