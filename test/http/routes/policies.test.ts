import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../../support/embedded-app.ts";
import type { SeenAnswer } from "../../support/http-client.ts";
import { setPolicy } from "../../support/policy-client.ts";

const DENY = { name: "none", mode: "deny" };
const EMPTY = { access: [], content: [] };

let cistern: Embedded;

beforeAll(async () => {
  cistern = await startEmbedded({ env: { CISTERN_MODE: "proxy" } });
});
afterAll(() => cistern[Symbol.asyncDispose]());

function send(method: string, path: string, json?: unknown, headers: Record<string, string> = {}): Promise<SeenAnswer> {
  if (json === undefined) return cistern.ask(method, path, { headers });
  const body = JSON.stringify(json);
  return cistern.ask(method, path, { headers: { "Content-Type": "application/json", ...headers }, body });
}

const jsonOf = ({ body }: SeenAnswer) => JSON.parse(body.toString());
const put = (json: unknown, ifMatch: string, query = "") =>
  send("PUT", `/v1/policies${query}`, json, { "If-Match": ifMatch });

describe("/v1/policies", () => {
  test("is the built-in rule alone until one is set", async () => {
    const answer = await send("GET", "/v1/policies");
    expect(answer.headers.etag).toBe('"r0"');
    expect(jsonOf(answer)).toEqual({
      version: 0,
      made_by: null,
      made_at: null,
      note: "",
      built_in: { mode: "proxy" },
      ...EMPTY,
    });
  });

  test("a replacement needs the ETag of what it replaces", async () => {
    const missing = await send("PUT", "/v1/policies", EMPTY);
    expect([missing.status, jsonOf(missing).code]).toEqual([428, "precondition-required"]);
    const stale = await put(EMPTY, '"r99"');
    expect([stale.status, jsonOf(stale).code]).toEqual([412, "precondition-failed"]);
    const set = await put({ ...EMPTY, note: "first" }, '"r0"');
    expect([set.status, set.headers.etag, jsonOf(set).note]).toEqual([200, '"r1"', "first"]);
    expect((await put(EMPTY, '"r0"')).status).toBe(412);
    expect((await put(EMPTY, "*")).status).toBe(200);
  });

  test("of two that replace the same version one is refused", async () => {
    const { etag } = (await send("GET", "/v1/policies")).headers;
    const both = await Promise.all([1, 2].map((n) => put({ ...EMPTY, note: `${n}` }, String(etag))));
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  });

  test("what is broken is named, and nothing is changed by it", async () => {
    const { etag } = (await send("GET", "/v1/policies")).headers;
    const content = [{ name: "a" }, { name: "b" }, { name: "c" }, { name: "d", on_ful: "pass" }];
    const unknown = await put({ access: [], content }, String(etag));
    expect(unknown.status).toBe(422);
    expect(jsonOf(unknown)).toMatchObject({ code: "unknown-field", errors: [{ field: "content.3.on_ful" }] });
    const broken = await put(
      { access: [{ ...DENY, mode: "no" }], content: [{ name: "s", require: "signature" }] },
      String(etag),
    );
    expect(broken.status).toBe(400);
    expect(jsonOf(broken).errors.map(({ field }: { field: string }) => field)).toEqual([
      "access.0.mode",
      "content.0.require",
    ]);
    expect((await send("GET", "/v1/policies")).headers.etag).toBe(etag);
  });

  test("a dry run answers what would change, under the same precondition, and sets nothing", async () => {
    const { etag } = (await send("GET", "/v1/policies")).headers;
    expect((await put({ access: [DENY], content: [] }, '"r99"', "?dry_run=true")).status).toBe(412);
    await cistern.image({ url: "https://a.example/x", sha256: "a".repeat(64) });
    const dry = jsonOf(await put({ access: [DENY], content: [] }, String(etag), "?dry_run=true&limit=1"));
    expect(dry).toMatchObject({
      dry_run: true,
      contents: { count: 0, bytes: 0, listed: [] },
      clients: { count: 0, listed: [], unheard: [] },
      hosts: {
        count: 1,
        listed: [{ host: "a.example:443", mode: "deny", rule: "none", who: null, records: 1, cached: 0 }],
      },
    });
    expect((await send("GET", "/v1/policies")).headers.etag).toBe(etag);
  });

  test("a dry run names who has asked for what it denies, uploaded bytes too, and not for what is gone", async () => {
    const { etag } = (await send("GET", "/v1/policies")).headers;
    const { id } = jsonOf(await send("POST", "/artifacts/files", { name: "asked for" }));
    const headers = { "Content-Type": "application/octet-stream" };
    expect((await cistern.ask("PUT", `/artifacts/files/${id}/file`, { headers, body: "bytes" })).status).toBe(200);
    expect((await send("GET", `/artifacts/files/${id}/file`)).status).toBe(200);
    const clients = async () =>
      jsonOf(await put({ access: [DENY], content: [] }, String(etag), "?dry_run=true")).clients;
    expect(await clients()).toMatchObject({
      count: 1,
      listed: [{ address: "127.0.0.1", type: "files", artifact: id, name: "asked for", before: "proxy", rule: "none" }],
      unheard: [],
    });
    expect((await send("DELETE", `/artifacts/files/${id}`)).status).toBe(204);
    expect(await clients()).toEqual({ count: 0, listed: [], unheard: [] });
  });

  test("versions are listed page by page, shown, and restored; what was done is in the audit", async () => {
    const first = await setPolicy(cistern, { access: [DENY], content: [] });
    await setPolicy(cistern, EMPTY);
    const page = jsonOf(await send("GET", "/v1/policies/versions?limit=1"));
    expect(page.versions.map(({ version }: { version: number }) => version)).toEqual([first + 1]);
    expect(jsonOf(await send("GET", page.next)).versions[0].version).toBe(first);
    expect(jsonOf(await send("GET", `/v1/policies/versions/${first}`)).access).toEqual([DENY]);
    expect((await send("POST", `/v1/policies/versions/${first}/restore`, { note: "back" })).status).toBe(422);
    const restored = await send("POST", `/v1/policies/versions/${first}/restore`, {});
    expect(restored.headers.etag).toBe(`"r${first + 2}"`);
    expect(jsonOf(restored)).toMatchObject({ version: first + 2, access: [DENY], note: `restored from ${first}` });
    const stale = await send("POST", `/v1/policies/versions/${first}/restore`, undefined, {
      "If-Match": `"r${first}"`,
    });
    expect(stale.status).toBe(412);
    const gone = await send("POST", "/v1/policies/versions/9999/restore");
    expect([gone.status, jsonOf(gone).code]).toEqual([404, "version-not-found"]);
    await setPolicy(cistern, EMPTY);
  });
});
