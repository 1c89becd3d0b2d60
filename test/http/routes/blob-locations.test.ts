import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { activeImage, putLocation, replace, someImage } from "../artifacts.ts";
import { artifactOf, call, LOCATION_TYPE, problemOf } from "../call.ts";
import { type Edge, MEMBER_HOST, openEdge, snapshot } from "../edge.ts";

let edge: Edge;
let admin = "";
let member = "";
const URL_OF = `https://${MEMBER_HOST}/debian.qcow2`;
const DIGESTS = { md5: "1".repeat(32), sha1: "2".repeat(40), sha256: "3".repeat(64), sha512: "4".repeat(128) };

beforeAll(async () => {
  edge = await openEdge();
  admin = await edge.token("admin", ["admin"]);
  member = await edge.token("blue", ["member"]);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

describe("setting an external location", () => {
  test("answers the artifact with the blob as it is recorded", async () => {
    const path = await someImage(edge, member);
    const upper = Object.fromEntries(Object.entries(DIGESTS).map(([name, hex]) => [name, hex.toUpperCase()]));
    const answer = await putLocation(edge, member, `${path}/image`, { url: URL_OF, size: 5, ...upper });
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({
      image: {
        url: URL_OF,
        size: 5,
        ...DIGESTS,
        external: true,
        status: "active",
        content_type: "application/octet-stream",
        digest_source: "given",
      },
    });
    expect(edge.changed.at(-1)).toMatchObject({ field: "image", key: "" });
  });

  test("takes null for absent, as glareclient sends it", async () => {
    const path = await someImage(edge, member);
    const nulls = { md5: null, sha1: null, sha256: null, sha512: null, size: null };
    const answer = await putLocation(edge, member, `${path}/image`, { url: URL_OF, ...nulls });
    expect(answer.json()).toMatchObject({ image: { ...nulls, url: URL_OF, digest_source: null } });
  });

  test.each<[unknown, readonly string[]]>([
    [{}, ["location.url"]],
    [{ url: null }, ["location.url"]],
    [{ url: 5 }, ["location.url"]],
    [{ url: "" }, ["location.url"]],
    [{ url: "ftp://mirror.example/x" }, ["location.url"]],
    [{ url: `${URL_OF}#part` }, ["location.url"]],
    [{ url: `${URL_OF} ` }, ["location.url"]],
    [{ url: `https://mirror.example/${"x".repeat(4096)}` }, ["location.url"]],
    [{ url: URL_OF, sha256: "xyz" }, ["location.sha256"]],
    [{ url: URL_OF, sha256: 5 }, ["location.sha256"]],
    [{ url: URL_OF, md5: "1".repeat(33), sha1: "" }, ["location.md5", "location.sha1"]],
    [{ url: URL_OF, size: -1 }, ["location.size"]],
    [{ url: URL_OF, size: 1.5 }, ["location.size"]],
    [{ url: URL_OF, size: "5" }, ["location.size"]],
    [{ url: URL_OF, size: 2 ** 53 }, ["location.size"]],
    [{ url: URL_OF, size: 1e300 }, ["location.size"]],
    [{ url: URL_OF, checksum: "x" }, ["location.checksum"]],
    [{ url: 1, size: -1, bogus: 1 }, ["location.bogus", "location.url", "location.size"]],
    [[], ["location"]],
    [null, ["location"]],
    ["https://mirror.example/x", ["location"]],
  ])("refuses what breaks a rule by the name of its field, and changes nothing (%#)", async (body, fields) => {
    const path = await someImage(edge, member);
    const before = await snapshot(edge);
    const answer = await putLocation(edge, member, `${path}/image`, body);
    expect([answer.status, problemOf(answer).fields]).toEqual([400, fields]);
    expect(await snapshot(edge)).toBe(before);
  });

  test("refuses a size that loses digits in JSON rather than record another", async () => {
    const path = await someImage(edge, member);
    const body = `{"url":"${URL_OF}","size":9007199254740993}`;
    const headers = { "Content-Type": LOCATION_TYPE };
    const answer = await call(edge.port, "PUT", `${path}/image`, { token: member, body, headers });
    expect([answer.status, problemOf(answer).fields]).toEqual([400, ["location.size"]]);
  });

  test("I8: members name only the hosts that are theirs to name, and nobody a private address", async () => {
    const refused = async (token: string, url: string) => {
      const path = await someImage(edge, token);
      const answer = await putLocation(edge, token, `${path}/image`, { url });
      return [answer.status, problemOf(answer).code];
    };
    expect(await refused(member, "https://elsewhere.example/x")).toEqual([403, "host-not-allowed"]);
    expect(await refused(member, `https://${MEMBER_HOST}:9000/x`)).toEqual([403, "host-not-allowed"]);
    for (const host of ["127.0.0.1", "169.254.169.254", "0x7f000001", "[::1]", "[::ffff:10.0.0.1]", "2130706433"]) {
      expect(await refused(admin, `http://${host}/x`)).toEqual([403, "address-not-allowed"]);
    }
    const path = await someImage(edge, admin);
    expect((await putLocation(edge, admin, `${path}/image`, { url: "https://elsewhere.example/x" })).status).toBe(200);
  });

  test("a second time is a conflict, and so is one over uploaded bytes", async () => {
    const path = await someImage(edge, member);
    artifactOf(await putLocation(edge, member, `${path}/image`, { url: URL_OF }));
    const second = await putLocation(edge, member, `${path}/image`, { url: `${URL_OF}.new` });
    expect([second.status, problemOf(second).code]).toEqual([409, "conflict"]);
    const uploaded = await someImage(edge, member);
    artifactOf(await call(edge.port, "PUT", `${uploaded}/image`, { token: member, body: "bytes" }));
    const over = await putLocation(edge, member, `${uploaded}/image`, { url: URL_OF });
    expect([over.status, problemOf(over).code]).toEqual([409, "conflict"]);
  });
});

describe("replacing a URL", () => {
  test("needs the artifact's current ETag and a strong digest; the digests stay", async () => {
    const path = await activeImage(edge, member, { url: URL_OF, sha256: DIGESTS.sha256 });
    const etag = async () => (await call(edge.port, "GET", path, { token: member })).headers.etag ?? "";
    const stale = await etag();
    artifactOf(await replace(edge, member, path, "description", "x"));
    const late = await putLocation(edge, member, `${path}/image`, { url: `${URL_OF}.new` }, stale);
    expect([late.status, problemOf(late).code]).toEqual([412, "precondition-failed"]);
    const contradicting = { url: `${URL_OF}.new`, sha256: "f".repeat(64) };
    expect((await putLocation(edge, member, `${path}/image`, contradicting, await etag())).status).toBe(409);
    const replaced = await putLocation(edge, member, `${path}/image`, { url: `${URL_OF}.new` }, await etag());
    expect(replaced.json()).toMatchObject({ image: { url: `${URL_OF}.new`, sha256: DIGESTS.sha256 } });
    const any = await putLocation(edge, member, `${path}/image`, { url: URL_OF }, "*");
    expect(any.json()).toMatchObject({ image: { url: URL_OF } });
  });

  test("of a blob that only md5 names is a conflict: md5 selects no content", async () => {
    const path = await someImage(edge, member);
    artifactOf(await putLocation(edge, member, `${path}/image`, { url: URL_OF, md5: DIGESTS.md5 }));
    const answer = await putLocation(edge, member, `${path}/image`, { url: `${URL_OF}.new` }, "*");
    expect([answer.status, problemOf(answer).code]).toEqual([409, "conflict"]);
  });

  test.each(["r1", "'r1'", '"r1', '"r1" "r2"', ""])("with If-Match: %s is refused by name", async (ifMatch) => {
    const path = await someImage(edge, member);
    const answer = await putLocation(edge, member, `${path}/image`, { url: URL_OF }, ifMatch);
    expect([answer.status, problemOf(answer).fields]).toEqual([400, ["header.if-match"]]);
  });

  test("with a weak tag never matches, and with a list any of it does", async () => {
    const path = await someImage(edge, member);
    const { etag = "" } = (await call(edge.port, "GET", path, { token: member })).headers;
    expect((await putLocation(edge, member, `${path}/image`, { url: URL_OF }, `W/${etag}`)).status).toBe(412);
    expect((await putLocation(edge, member, `${path}/image`, { url: URL_OF }, `"x", ${etag}`)).status).toBe(200);
  });
});

describe("mirrors", () => {
  test("are named locations of the same content", async () => {
    const path = await someImage(edge, member);
    const { sha256 } = DIGESTS;
    artifactOf(await putLocation(edge, member, `${path}/image`, { url: URL_OF, sha256 }));
    artifactOf(await putLocation(edge, member, `${path}/mirrors/eu`, { url: `${URL_OF}?eu`, sha256 }));
    const key = "us west/2".replace("/", " ");
    const answer = await putLocation(edge, member, `${path}/mirrors/${encodeURIComponent(key)}`, {
      url: `${URL_OF}?us`,
    });
    expect(answer.json()).toMatchObject({
      mirrors: { eu: { url: `${URL_OF}?eu`, sha256 }, [key]: { url: `${URL_OF}?us`, sha256: null } },
    });
  });

  test("whose digests or size contradict the image or a sibling are a conflict that names them", async () => {
    const path = await someImage(edge, member);
    const { sha256, md5 } = DIGESTS;
    artifactOf(await putLocation(edge, member, `${path}/image`, { url: URL_OF, sha256, size: 5 }));
    artifactOf(await putLocation(edge, member, `${path}/mirrors/a`, { url: URL_OF, md5 }));
    const refused = async (body: object) => {
      const answer = await putLocation(edge, member, `${path}/mirrors/b`, { url: URL_OF, ...body });
      return [answer.status, ...problemOf(answer).fields];
    };
    expect(await refused({ sha256: "f".repeat(64) })).toEqual([409, "location.sha256"]);
    expect(await refused({ size: 6 })).toEqual([409, "location.size"]);
    expect(await refused({ md5: "f".repeat(32) })).toEqual([409, "location.md5"]);
    // One that is gone binds nobody.
    artifactOf(await call(edge.port, "DELETE", `${path}/mirrors/a`, { token: member }));
    artifactOf(await putLocation(edge, member, `${path}/mirrors/b`, { url: URL_OF, md5: "f".repeat(32) }));
  });

  test("bind the image that is set after them", async () => {
    const path = await someImage(edge, member);
    artifactOf(await putLocation(edge, member, `${path}/mirrors/a`, { url: URL_OF, sha256: DIGESTS.sha256 }));
    const answer = await putLocation(edge, member, `${path}/image`, { url: URL_OF, sha256: "f".repeat(64) });
    expect([answer.status, ...problemOf(answer).fields]).toEqual([409, "location.sha256"]);
  });

  test("are 64 at most; one that is there may still be replaced", async () => {
    const path = await someImage(edge, member);
    const { sha256 } = DIGESTS;
    const put = (key: number, ifMatch?: string) =>
      putLocation(edge, member, `${path}/mirrors/${key}`, { url: `${URL_OF}?${key}`, sha256 }, ifMatch);
    for (let key = 0; key < 64; key += 1) artifactOf(await put(key));
    const full = await put(64);
    expect([full.status, problemOf(full).fields]).toEqual([400, ["mirrors"]]);
    artifactOf(await put(5, "*"));
  });

  test("take no uploads", async () => {
    const path = await someImage(edge, member);
    const answer = await call(edge.port, "PUT", `${path}/mirrors/a`, { token: member, body: "bytes" });
    expect([answer.status, problemOf(answer).fields]).toEqual([400, ["mirrors"]]);
  });

  test("of a key that means something to JavaScript are kept like any other", async () => {
    const path = await someImage(edge, member);
    artifactOf(await putLocation(edge, member, `${path}/mirrors/__proto__`, { url: URL_OF }));
    const shown = await call(edge.port, "GET", path, { token: member });
    expect(shown.text).toContain(`"mirrors":{"__proto__":{"url":"${URL_OF}"`);
  });
});

describe("removing a location", () => {
  test("removes the record; the digests of what was once active bind the next one (I10)", async () => {
    const path = await activeImage(edge, member, { url: URL_OF, sha256: DIGESTS.sha256 });
    const removed = await call(edge.port, "DELETE", `${path}/image`, { token: member });
    expect([removed.status, removed.json()]).toEqual([200, expect.objectContaining({ image: null })]);
    const empty = await call(edge.port, "DELETE", `${path}/image`, { token: member });
    expect([empty.status, problemOf(empty).code]).toEqual([404, "blob-not-found"]);
    const other = await putLocation(edge, member, `${path}/image`, { url: URL_OF, sha256: "f".repeat(64) });
    expect([other.status, problemOf(other).code]).toEqual([409, "conflict"]);
    const bytes = await call(edge.port, "PUT", `${path}/image`, { token: member, body: "other bytes" });
    expect([bytes.status, problemOf(bytes).code]).toEqual([409, "conflict"]);
    const again = await putLocation(edge, member, `${path}/image`, { url: `${URL_OF}.new` });
    expect(again.json()).toMatchObject({ image: { url: `${URL_OF}.new`, sha256: DIGESTS.sha256 } });
  });

  test("does not take uploaded bytes away: 403", async () => {
    const path = await someImage(edge, member);
    artifactOf(await call(edge.port, "PUT", `${path}/image`, { token: member, body: "bytes" }));
    const answer = await call(edge.port, "DELETE", `${path}/image`, { token: member });
    expect([answer.status, problemOf(answer).code]).toEqual([403, "forbidden"]);
  });

  test.each([
    ["name", 400, "path.field"],
    ["status", 400, "path.field"],
    ["disk_format", 400, "path.field"],
    ["nonsense", 404, "path.field"],
    ["toString", 404, "path.field"],
    ["image/key", 400, "path.key"],
    ["mirrors", 400, "path.key"],
    ["mirrors/%00", 400, "path.key"],
    ["mirrors/a%2Fb", 400, "path.key"],
  ])("of %s, which is no blob: %i", async (field, status, name) => {
    const path = await someImage(edge, member);
    for (const method of ["DELETE", "PUT"]) {
      const answer = await call(edge.port, method, `${path}/${field}`, { token: member });
      expect([answer.status, problemOf(answer).fields]).toEqual([status, [name]]);
    }
  });

  test("of a key that is too long: 400", async () => {
    const path = await someImage(edge, member);
    const answer = await call(edge.port, "DELETE", `${path}/mirrors/${"x".repeat(256)}`, { token: member });
    expect([answer.status, problemOf(answer).fields]).toEqual([400, ["path.key"]]);
  });

  test.each(["1", "debian", "%zz", "00000000-0000-4000-8000-00000000000g"])(
    "of %s, which is no id: 404",
    async (id) => {
      const answer = await call(edge.port, "DELETE", `/artifacts/images/${id}/image`, { token: member });
      expect([answer.status, problemOf(answer).fields]).toEqual([404, ["path.id"]]);
    },
  );
});
