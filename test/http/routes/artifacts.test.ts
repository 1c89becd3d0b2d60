import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { activeImage, patch, putLocation, replace, someImage } from "../artifacts.ts";
import { artifactOf, call, PATCH_TYPE, problemOf } from "../call.ts";
import { type Edge, MEMBER_HOST, openEdge } from "../edge.ts";

let edge: Edge;
let admin = "";
let member = "";
let stranger = "";
let reader = "";
let auditor = "";
const URL_OF = `https://${MEMBER_HOST}/debian.qcow2`;
const SHA256 = "a".repeat(64);

beforeAll(async () => {
  edge = await openEdge();
  admin = await edge.token("admin", ["admin"]);
  member = await edge.token("blue", ["member"]);
  reader = await edge.token("blue", ["reader"]);
  stranger = await edge.token("red", ["member"]);
  auditor = await edge.token("audit", ["auditor"]);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

describe("creating an artifact", () => {
  test("answers 201 with its place, its revision and every field of its type", async () => {
    const name = `debian-${randomUUID()}`;
    const json = { name, version: "1.0", disk_format: "qcow2", tags: ["a", "a"], metadata: { arch: "amd64" } };
    const answer = await call(edge.port, "POST", "/artifacts/images", { token: member, json });
    expect(answer.status).toBe(201);
    const { id } = artifactOf(answer);
    expect(answer.headers.location).toBe(`/artifacts/images/${id}`);
    expect(answer.headers.etag).toMatch(/^"r\d+"$/);
    expect(answer.json()).toEqual({
      id,
      type_name: "images",
      display_type_name: "Images",
      name,
      version: "1.0.0",
      owner: "blue",
      visibility: "private",
      status: "drafted",
      description: "",
      tags: ["a"],
      metadata: { arch: "amd64" },
      created_at: expect.stringMatching(/^\d{4}-.*Z$/),
      updated_at: expect.any(String),
      activated_at: null,
      container_format: null,
      disk_format: "qcow2",
      min_ram: null,
      min_disk: null,
      architecture: null,
      os_distro: null,
      os_version: null,
      kernel_id: null,
      ramdisk_id: null,
      instance_uuid: null,
      cloud_user: null,
      image_indirect_url: null,
      img_signature: null,
      img_signature_hash_method: null,
      img_signature_key_type: null,
      img_signature_certificate_uuid: null,
      image: null,
      mirrors: {},
    });
    const shown = await call(edge.port, "GET", `/artifacts/images/${id}`, { token: member });
    expect(shown.text).toBe(answer.text);
    expect(shown.headers.etag).toBe(answer.headers.etag);
  });

  test("of a name and version that the owner has already is a conflict; another owner may have it", async () => {
    const json = { name: `twice-${randomUUID()}` };
    artifactOf(await call(edge.port, "POST", "/artifacts/images", { token: member, json }));
    const again = await call(edge.port, "POST", "/artifacts/images", {
      token: member,
      json: { ...json, version: "0.0" },
    });
    expect([again.status, problemOf(again).code]).toEqual([409, "conflict"]);
    artifactOf(await call(edge.port, "POST", "/artifacts/images", { token: stranger, json }));
  });

  test("needs the role member or admin", async () => {
    for (const token of [reader, auditor]) {
      const answer = await call(edge.port, "POST", "/artifacts/images", { token, json: { name: "x" } });
      expect([answer.status, problemOf(answer).code]).toEqual([403, "forbidden"]);
    }
  });

  test("of a type that is not there is 404 in OpenStack's words", async () => {
    const answer = await call(edge.port, "POST", "/artifacts/nonsense", { token: admin, json: { name: "x" } });
    expect(answer.status).toBe(404);
    expect(answer.json()).toMatchObject({ code: 404, title: "Not Found", error: { type: "TypeNotFound" } });
  });
});

describe("who may know of an artifact", () => {
  test("a private one: its project, admins and auditors; to others it is not there", async () => {
    const path = await someImage(edge, member);
    const statuses = async (method: string, options = {}) =>
      Promise.all(
        [member, reader, stranger, auditor, admin].map(
          async (token) => (await call(edge.port, method, path, { token, ...options })).status,
        ),
      );
    expect(await statuses("GET")).toEqual([200, 200, 404, 200, 200]);
    expect(await statuses("HEAD")).toEqual([200, 200, 404, 200, 200]);
    const change = { json: [], headers: { "Content-Type": PATCH_TYPE } };
    expect(await statuses("PATCH", change)).toEqual([200, 403, 404, 403, 200]);
    const unknown = `/artifacts/images/${randomUUID()}`;
    const missing = await call(edge.port, "GET", unknown, { token: stranger });
    const hidden = await call(edge.port, "GET", path, { token: stranger });
    // Nothing tells a hidden artifact from one that never was.
    expect(hidden.text).toBe(missing.text);
    for (const token of [stranger, reader, auditor]) {
      const answer = await call(edge.port, "DELETE", path, { token });
      expect(answer.status).toBe(token === stranger ? 404 : 403);
    }
    expect((await call(edge.port, "GET", path, { token: member })).status).toBe(200);
  });

  test("a public one: everybody, but only its project and admins change it", async () => {
    const path = await activeImage(edge, admin, { url: URL_OF, sha256: SHA256 });
    artifactOf(await replace(edge, admin, path, "visibility", "public"));
    expect((await call(edge.port, "GET", path, { token: stranger })).status).toBe(200);
    expect((await replace(edge, stranger, path, "description", "mine")).status).toBe(403);
    const name = (await call(edge.port, "GET", path, { token: stranger })).json() as { name: string };
    const list = await call(edge.port, "GET", `/artifacts/images?name=${name.name}`, { token: stranger });
    expect(list.json()).toMatchObject({ total_count: 1 });
  });

  test("is looked for under its own type", async () => {
    const path = await someImage(edge, member);
    const answer = await call(edge.port, "GET", path.replace("images", "files"), { token: member });
    expect([answer.status, problemOf(answer).code]).toEqual([404, "artifact-not-found"]);
  });
});

describe("changing an artifact", () => {
  test("by a patch raises its revision; If-Match refuses the one that came too late", async () => {
    const path = await someImage(edge, member);
    const first = await call(edge.port, "GET", path, { token: member });
    const changed = await patch(edge, member, path, { op: "replace", path: "/min_ram", value: 512 });
    expect(changed.json()).toMatchObject({ min_ram: 512 });
    expect(changed.headers.etag).not.toBe(first.headers.etag);
    const late = await call(edge.port, "PATCH", path, {
      token: member,
      json: [{ op: "remove", path: "/min_ram" }],
      headers: { "Content-Type": PATCH_TYPE, "If-Match": first.headers.etag },
    });
    expect([late.status, problemOf(late).code]).toEqual([412, "precondition-failed"]);
    const stale = await call(edge.port, "DELETE", path, { token: member, headers: { "If-Match": first.headers.etag } });
    expect(stale.status).toBe(412);
    expect((await patch(edge, member, path, { op: "remove", path: "/min_ram" })).json()).toMatchObject({
      min_ram: null,
    });
  });

  test("takes effect as a whole or not at all", async () => {
    const path = await someImage(edge, member);
    const before = await call(edge.port, "GET", path, { token: member });
    const answer = await patch(
      edge,
      member,
      path,
      { op: "replace", path: "/description", value: "changed" },
      { op: "replace", path: "/min_ram", value: -1 },
    );
    expect([answer.status, problemOf(answer).fields]).toEqual([400, ["min_ram"]]);
    expect((await call(edge.port, "GET", path, { token: member })).text).toBe(before.text);
  });

  test("at the same time by many loses no change", async () => {
    const path = await someImage(edge, member);
    const names = ["a", "b", "c"];
    const answers = await Promise.all(
      names.map((name) => patch(edge, member, path, { op: "add", path: `/metadata/${name}`, value: name })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    const shown = await call(edge.port, "GET", path, { token: member });
    expect(shown.json()).toMatchObject({ metadata: { a: "a", b: "b", c: "c" } });
  });

  test("only by application/json-patch+json", async () => {
    const path = await someImage(edge, member);
    const answer = await call(edge.port, "PATCH", path, { token: member, json: [] });
    expect([answer.status, problemOf(answer).code]).toEqual([415, "unsupported-media-type"]);
    expect(problemOf(answer).fields).toEqual(["header.content-type"]);
  });

  test.each<[string, unknown, number, string]>([
    ["/image", {}, 400, "patch.0.path"],
    ["/mirrors/a", {}, 400, "patch.0.path"],
    ["/id", "x", 403, "id"],
    ["/owner", "red", 403, "owner"],
    ["/created_at", "x", 403, "created_at"],
    ["/bogus", 1, 400, "bogus"],
    ["/name", null, 400, "name"],
    ["/status", "deleted", 400, "status"],
    ["/status", "deactivated", 400, "status"],
    ["/status", "flying", 400, "status"],
    ["/visibility", "public", 403, "visibility"],
    ["/visibility", "secret", 400, "visibility"],
    ["/metadata/x", 5, 400, "metadata.x"],
  ])("refuses %s = %j", async (pointer, value, status, field) => {
    const path = await someImage(edge, member);
    const answer = await patch(edge, member, path, { op: "add", path: pointer, value });
    expect([answer.status, problemOf(answer).fields]).toEqual([status, [field]]);
  });
});

describe("the life of an artifact", () => {
  test("activation needs what the type requires, and names all that is missing", async () => {
    const created = await call(edge.port, "POST", "/artifacts/images", { token: member, json: { name: randomUUID() } });
    const path = `/artifacts/images/${artifactOf(created).id}`;
    const bare = await replace(edge, member, path, "status", "active");
    expect([bare.status, problemOf(bare).fields]).toEqual([403, ["container_format", "disk_format", "image"]]);
    artifactOf(await putLocation(edge, member, `${path}/image`, { url: URL_OF }));
    const activated = await patch(
      edge,
      member,
      path,
      { op: "replace", path: "/container_format", value: "bare" },
      { op: "replace", path: "/disk_format", value: "qcow2" },
      { op: "replace", path: "/status", value: "active" },
    );
    expect(activated.json()).toMatchObject({ status: "active", activated_at: expect.any(String) });
  });

  test("once active only what may change changes, and it never goes back to a draft", async () => {
    const path = await activeImage(edge, member, { url: URL_OF });
    for (const [name, value] of [
      ["name", "other"],
      ["version", "2.0.0"],
      ["disk_format", "raw"],
    ] as const) {
      const answer = await replace(edge, member, path, name, value);
      expect([answer.status, problemOf(answer).fields]).toEqual([403, [name]]);
    }
    expect((await replace(edge, member, path, "status", "drafted")).status).toBe(400);
    expect((await replace(edge, member, path, "status", "active")).status).toBe(200);
    for (const [name, value] of [
      ["description", "new"],
      ["min_ram", 1],
      ["tags", ["x"]],
    ] as const) {
      expect((await replace(edge, member, path, name, value)).json()).toMatchObject({ [name]: value });
    }
  });

  test("deactivating and reactivating is the admin's; activated_at stays", async () => {
    const path = await activeImage(edge, member, { url: URL_OF });
    const active = (await call(edge.port, "GET", path, { token: member })).json() as { activated_at: string };
    expect((await replace(edge, member, path, "status", "deactivated")).status).toBe(403);
    expect(artifactOf(await replace(edge, admin, path, "status", "deactivated")).status).toBe("deactivated");
    expect((await replace(edge, member, path, "status", "active")).status).toBe(403);
    const again = await replace(edge, admin, path, "status", "active");
    expect(again.json()).toMatchObject({ status: "active", activated_at: active.activated_at });
  });

  test("public is the admin's to set and to take back, needs active, and is unique", async () => {
    const name = randomUUID();
    const path = await someImage(edge, admin, { name });
    const early = await replace(edge, admin, path, "visibility", "public");
    expect([early.status, problemOf(early).fields]).toEqual([403, ["visibility"]]);
    artifactOf(await putLocation(edge, admin, `${path}/image`, { url: URL_OF }));
    const both = [
      { op: "replace", path: "/status", value: "active" },
      { op: "replace", path: "/visibility", value: "public" },
    ];
    expect(artifactOf(await patch(edge, admin, path, ...both)).visibility).toBe("public");
    const rival = await someImage(edge, member, { name });
    artifactOf(await putLocation(edge, member, `${rival}/image`, { url: URL_OF }));
    const taken = await patch(edge, admin, rival, ...both);
    expect([taken.status, problemOf(taken).code]).toEqual([409, "conflict"]);
    expect(artifactOf(await replace(edge, admin, path, "visibility", "private")).visibility).toBe("private");
  });

  test("ends with DELETE: 204 without a body, its blobs are announced as gone, and then it is 404", async () => {
    const path = await activeImage(edge, member, { url: URL_OF });
    const before = edge.removed.length;
    const answer = await call(edge.port, "DELETE", path, { token: member });
    expect([answer.status, answer.length, answer.headers["content-type"]]).toEqual([204, 0, undefined]);
    expect(edge.removed.length).toBe(before + 1);
    expect((await call(edge.port, "DELETE", path, { token: member })).status).toBe(404);
    expect((await call(edge.port, "GET", path, { token: member })).status).toBe(404);
  });
});
