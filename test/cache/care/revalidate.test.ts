import { randomBytes, randomUUID } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { revalidate } from "../../../src/cache/care/revalidate.ts";
import { type Catalog, openCatalog } from "../../../src/catalog/open-catalog.ts";
import type { AuditEntry } from "../../../src/domain/audit.ts";
import type { ResolvedBlob } from "../../../src/domain/blob.ts";
import { sha256 } from "../../../src/domain/digest.ts";
import type { CisternEvent } from "../../../src/domain/events.ts";
import { compilePolicy } from "../../../src/domain/policy/compile.ts";
import type { PolicyDocument } from "../../../src/domain/policy/document.ts";
import { subjectOf } from "../../../src/domain/policy/subject.ts";
import { condemn, fill, located, mirrorOf, someLocation } from "../../catalog/records.ts";
import { NEVER, openSource } from "../../origin/open-source.ts";
import { temporaryDirectory } from "../../store/temporary-directory.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";

const HOUR = 3_600_000;
const EVERYTHING = { artifact: undefined, origin: undefined, size: undefined };
const EVERY_HOUR: PolicyDocument = {
  access: [],
  content: [{ name: "ask", description: "", match: EVERYTHING, set: { revalidateEvery: HOUR } }],
};

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let catalog: Catalog;
let origin: FaultOrigin;
let hours = 0;

beforeAll(async () => {
  directory = await temporaryDirectory();
  catalog = await openCatalog({ directory: join(directory.path, "catalog") });
  origin = await startFaultOrigin();
});
afterAll(async () => {
  await catalog?.[Symbol.asyncDispose]();
  await origin?.[Symbol.asyncDispose]();
  await directory?.[Symbol.asyncDispose]();
});

/** Content that was fetched from an origin which behaves like this, turn after turn. */
async function fetched(options: { readonly query?: string; readonly mirrored?: boolean } = {}) {
  const bytes = randomBytes(500);
  const path = `/${randomUUID()}`;
  origin.serve(path, bytes);
  const digest = sha256(digestOf(bytes));
  const content = {
    digests: { sha256: digest, md5: digestOf(bytes, "md5"), sha512: digestOf(bytes, "sha512") },
    size: bytes.length,
  };
  const { blob, artifact } = await located(catalog, {
    url: `${origin.url(path)}${options.query ?? ""}`,
    digests: { sha256: digest },
  });
  const mirror = `${path}-mirror`;
  if (options.mirrored === true) {
    origin.serve(mirror, bytes);
    await catalog.blobs.setLocation(mirrorOf(artifact, "m"), someLocation({ url: origin.url(mirror) }), undefined);
  }
  await fill(catalog, content, blob);
  const irreplaceable = async () => (await catalog.inventory.find(digest))?.irreplaceableSince !== undefined;
  return { path, mirror, digest, blob, irreplaceable, forget: () => condemn(catalog, digest) };
}

/** One run, an hour after the last one. */
async function run(document = EVERY_HOUR) {
  hours += 2;
  const events: CisternEvent[] = [];
  const audit: AuditEntry[] = [];
  const policy = compilePolicy(document, 1, "cache");
  await using source = openSource();
  const ports = {
    revalidation: catalog.revalidation,
    source,
    policy: {
      current: policy,
      contentRules: (one: Pick<ResolvedBlob, "artifact" | "blob">) =>
        policy.contentRules(subjectOf(one.artifact, one.blob)),
    },
    clock: { now: () => new Date(Date.now() + hours * HOUR) },
    events: { emit: (event: CisternEvent) => void events.push(event) },
    audit: { record: async (entry: AuditEntry) => void audit.push(entry) },
  };
  await revalidate(ports, NEVER);
  return { events, audit: audit.map(({ action, object, after }) => ({ action, object, after })) };
}

describe("I5: content", () => {
  test.each<[string, Behaviour]>([
    ["is not found any more", { status: 404 }],
    ["is gone", { status: 410 }],
    ["has another size", { extendBy: 1 }],
    ["has another entity tag", { etag: '"other"' }],
  ])("whose only location %s is irreplaceable, until it is back", async (_, behaviour) => {
    const { path, digest, irreplaceable, forget } = await fetched();
    expect((await run()).events).toEqual([]);
    expect(await irreplaceable()).toBe(false);
    origin.behave(path, behaviour);
    const lost = await run();
    expect(await irreplaceable()).toBe(true);
    expect(lost.events).toContainEqual({ kind: "content-irreplaceable", sha256: digest, irreplaceable: true });
    const noted = { action: "content.revalidate", object: `contents/${digest}`, after: { irreplaceable: true } };
    expect(lost.audit).toContainEqual(noted);
    expect(await catalog.care.purge(digest, false)).toBe("irreplaceable");
    expect((await run()).events).toEqual([]);
    origin.behave(path, {});
    const back = await run();
    expect(back.events).toEqual([{ kind: "content-irreplaceable", sha256: digest, irreplaceable: false }]);
    expect(await irreplaceable()).toBe(false);
    await forget();
  });

  test("that a mirror still delivers is not irreplaceable", async () => {
    const { path, mirror, irreplaceable, forget } = await fetched({ mirrored: true });
    origin.behave(path, { status: 404 });
    await run();
    expect(await irreplaceable()).toBe(false);
    origin.behave(mirror, { status: 410 });
    await run();
    expect(await irreplaceable()).toBe(true);
    await forget();
  });

  test("whose signed URL has expired is irreplaceable; one that may not be read for now is not", async () => {
    const signed = await fetched({ query: "?X-Amz-Signature=0123456789abcdef0123456789abcdef" });
    const plain = await fetched();
    for (const { path } of [signed, plain]) origin.behave(path, { status: 403 });
    await run();
    expect([await signed.irreplaceable(), await plain.irreplaceable()]).toEqual([true, false]);
    await Promise.all([signed.forget(), plain.forget()]);
  });
});

describe("I7: doubt changes nothing", () => {
  test("a URL that is signed for GET alone, whose HEAD is refused", async () => {
    const { path, irreplaceable, forget } = await fetched({
      query: "?X-Amz-Signature=0123456789abcdef0123456789abcdef",
    });
    origin.behave(path, { headStatus: 403 });
    expect((await run()).events).toEqual([]);
    expect(await irreplaceable()).toBe(false);
    await forget();
  });

  test.each<[string, Behaviour]>([
    ["fails", { status: 500 }],
    ["is overloaded", { status: 429, retryAfter: 1 }],
    ["refuses", { status: 400 }],
  ])("an origin that %s", async (_, behaviour) => {
    const { path, irreplaceable, forget } = await fetched();
    origin.behave(path, behaviour);
    expect((await run()).events).toEqual([]);
    expect(await irreplaceable()).toBe(false);
    origin.behave(path, { status: 404 });
    await run();
    expect(await irreplaceable()).toBe(true);
    origin.behave(path, behaviour);
    await run();
    expect(await irreplaceable()).toBe(true);
    await forget();
  });
});

test("an origin that knows no HEAD is asked by a GET that takes no bytes to speak of", async () => {
  const { path, irreplaceable, forget } = await fetched();
  origin.behave(path, { headStatus: 405 });
  await run();
  expect(await irreplaceable()).toBe(false);
  expect(origin.requests(path).map(({ method }) => method)).toEqual(["HEAD", "GET"]);
  origin.behave(path, { headStatus: 405, extendBy: 3 });
  await run();
  expect(await irreplaceable()).toBe(true);
  await forget();
});

test("I10: drift is told once, and the recorded digest stands", async () => {
  const { path, digest, blob, forget } = await fetched();
  await run();
  origin.behave(path, { extendBy: 7 });
  const first = await run();
  expect(first.events).toContainEqual(expect.objectContaining({ kind: "content-changed", recorded: digest }));
  expect(first.audit).toContainEqual(expect.objectContaining({ action: "location.drift" }));
  expect((await run()).events).toEqual([]);
  const resolved = await catalog.blobs.resolve(blob);
  expect([resolved?.blob.digests.sha256, resolved?.content?.object.sha256]).toEqual([digest, digest]);
  await forget();
});

test("nobody is asked whom no rule names, and nobody again before the time", async () => {
  const { path, forget } = await fetched();
  await run({ access: [], content: [] });
  expect(origin.requests(path)).toEqual([]);
  await run();
  const asked = origin.requests(path).length;
  expect(asked).toBe(1);
  hours -= 2;
  await run({
    ...EVERY_HOUR,
    content: [{ name: "ask", description: "", match: EVERYTHING, set: { revalidateEvery: 1_000 * HOUR } }],
  });
  expect(origin.requests(path).length).toBe(asked);
  await forget();
});
