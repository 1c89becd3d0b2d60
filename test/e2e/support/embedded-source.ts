import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { startEmbedded } from "../../support/embedded-app.ts";
import { type Content, digestOf, type FaultOrigin } from "../../support/fault-origin.ts";

const MIB = 2 ** 20;
const PATCH = "application/json-patch+json";

/** What a server has that was in use for a while. */
export interface SourceRecords {
  /** Paths of bytes, and their sha256. */
  readonly cached: ReadonlyMap<string, string>;
  readonly uploaded: ReadonlyMap<string, string>;
  /** Never read. */
  readonly cold: string;
  /** The path of an artifact without bytes. */
  readonly draft: string;
  /** Of the project `team`, with the role reader. */
  readonly token: string;
  readonly adminToken: string;
}

/** Uses an embedded server on this directory, and stops it. */
export async function fillSource(dataDir: string, origin: FaultOrigin): Promise<SourceRecords> {
  await using app = await startEmbedded({ dataDir });
  const cached = new Map<string, string>();
  const register = async (path: string, content: Content, recorded: boolean, mirrors = {}) => {
    origin.serve(path, content, {});
    const sha256 = recorded ? { sha256: digestOf(content) } : {};
    return await app.image({ url: origin.url(path), ...sha256 }, mirrors);
  };
  const large = { size: 40 * MIB + 77, seed: "large" };
  const mirror = { url: origin.url("/mirror.img"), sha256: digestOf(large) };
  const images = [
    { path: await register("/large.img", large, true, { backup: mirror }), content: large },
    {
      path: await register("/small.img", { size: 70_001, seed: "small" }, false),
      content: { size: 70_001, seed: "small" },
    },
    { path: await register("/empty.img", Buffer.alloc(0), true), content: Buffer.alloc(0) },
  ];
  for (const { path, content } of images) {
    const answer = await app.ask("GET", path);
    if (answer.status !== 200 || !answer.complete) throw new Error(`${path}: ${answer.status}`);
    cached.set(path, digestOf(content));
  }
  const [shown] = [...cached.keys()];
  await expectOk(app.ask("PATCH", (shown ?? "").replace(/\/image$/, ""), patch("/visibility", "public")));
  const uploaded = new Map<string, string>();
  for (const size of [3 * MIB, 17 * MIB + 1]) {
    const bytes = randomBytes(size);
    const path = await upload(app.ask, `upload-${size}`, bytes);
    uploaded.set(path, digestOf(bytes));
  }
  const cold = await register("/cold.img", { size: 5 * MIB, seed: "cold" }, true);
  const draft = JSON.parse(String(await expectOk(app.ask("POST", "/artifacts/files", json({ name: "draft" })))));
  const token = await app.token("team", ["reader"]);
  await setAll(app.ask, [...cached.values()][0] ?? "");
  return { cached, uploaded, cold, draft: `/artifacts/files/${draft.id}`, token, adminToken: app.adminToken };
}

/** What an operator sets, of all kinds. */
export const SETTINGS = {
  capacity: { cache_bytes: 10 * 2 ** 30, shares: [{ project: "team", part: 0.25 }], fills: { per_origin: 9 } },
  spool_bytes: 3 * 2 ** 30,
  policy: { access: [{ name: "none", match: { principal: { projects: ["nobody"] } }, mode: "deny" }], content: [] },
  quotas: [{ project_id: "team", project_quotas: [{ quota_name: "max_fetched_bytes_per_day", quota_value: 2 ** 40 }] }],
  pin: { reason: "release day" },
  blocked: "b".repeat(64),
};

async function setAll(ask: Ask, pinned: string): Promise<void> {
  const replace = async (path: string, body: object) => {
    const { headers } = await ask("GET", path);
    const { headers: type, body: text } = json(body);
    await expectOk(ask("PUT", path, { headers: { ...type, "If-Match": String(headers.etag) }, body: text }));
  };
  await replace("/v1/capacity", { ...SETTINGS.capacity, spool_bytes: SETTINGS.spool_bytes });
  await replace("/v1/policies", SETTINGS.policy);
  await replace("/quotas", SETTINGS.quotas);
  await expectOk(ask("PUT", `/v1/contents/${pinned}/pin`, json(SETTINGS.pin)));
  await expectOk(ask("PUT", `/v1/contents/${SETTINGS.blocked}/block`, json({ reason: "recalled" })));
}

type Ask = Awaited<ReturnType<typeof startEmbedded>>["ask"];

/** An active artifact with uploaded bytes; answers their path. */
export async function upload(ask: Ask, name: string, bytes: Buffer): Promise<string> {
  const body = { name, metadata: { from: 'a "test"' }, tags: ["one", "two"] };
  const { id } = JSON.parse(String(await expectOk(ask("POST", "/artifacts/files", json(body)))));
  const path = `/artifacts/files/${id}/file`;
  await expectOk(ask("PUT", path, { headers: { "Content-Type": "application/octet-stream" }, body: bytes }));
  await expectOk(ask("PATCH", `/artifacts/files/${id}`, patch("/status", "active")));
  return path;
}

function json(body: unknown) {
  return { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

function patch(path: string, value: string) {
  return { headers: { "Content-Type": PATCH }, body: JSON.stringify([{ op: "replace", path, value }]) };
}

async function expectOk(asked: ReturnType<Ask>): Promise<Buffer> {
  const { status, body } = await asked;
  if (status >= 300) throw new Error(`${status} ${body.toString()}`);
  return body;
}

/** Paths of all objects of a directory's store. */
export async function storedFiles(dataDir: string): Promise<string[]> {
  const top = join(dataDir, "store", "sha256");
  const entries = await readdir(top, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
