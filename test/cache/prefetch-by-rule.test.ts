import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { prefetchInWindows, prefetchRegistered, type RuledPrefetchPorts } from "../../src/cache/prefetch-by-rule.ts";
import { type Catalog, openCatalog } from "../../src/catalog/open-catalog.ts";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import { DAYS, type FetchWindow } from "../../src/domain/fetch-window.ts";
import { activate, fill, located, mirrorOf, someContent, someLocation } from "../catalog/records.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { ManualClock } from "../support/manual-clock.ts";

// The clock stands at 00:16:40 UTC on 1 January 2026.
const NIGHT: FetchWindow = { from: "22:00", to: "06:00", days: DAYS, timeZone: "UTC" };
const NOON: FetchWindow = { from: "12:00", to: "13:00", days: DAYS, timeZone: "UTC" };
const NEVER = new AbortController().signal;

let catalog: Catalog;
let when: "on-register" | FetchWindow | undefined;
let woken: number;
const stack = new AsyncDisposableStack();

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  catalog = stack.use(await openCatalog({ directory: join(path, "catalog") }));
});
afterAll(() => stack.disposeAsync());
beforeEach(() => {
  when = undefined;
  woken = 0;
});

function ports(): RuledPrefetchPorts {
  return {
    queue: catalog.fillQueue,
    search: catalog.blobSearch,
    clock: new ManualClock(),
    rules: { prefetch: () => when, keeps: () => true },
    onFill: () => {
      woken += 1;
    },
  };
}

async function active() {
  const made = await located(catalog);
  await activate(catalog, made.artifact.id);
  return made;
}

async function queued(artifact: ArtifactId) {
  return (await catalog.fillQueue.list({ states: ["queued"], artifact, limit: 10 })).fills;
}

describe("a location that is registered", () => {
  test("is queued at once where a rule says on-register, and the queue is told", async () => {
    const { artifact, ref } = await located(catalog);
    when = "on-register";
    const resolved = await catalog.blobs.resolve(ref);
    if (resolved === undefined) throw new Error("the blob is gone");
    expect(await prefetchRegistered(resolved, ports())).toBe(true);
    expect(await queued(artifact.id)).toMatchObject([{ via: "register", priority: 5, notBefore: undefined }]);
    expect(woken).toBe(1);
  });

  test("waits for its window where a rule has one; nothing is done without a rule, for a mirror, or for what is here", async () => {
    const { artifact, blob, ref } = await located(catalog);
    const resolved = await catalog.blobs.resolve(ref);
    if (resolved === undefined) throw new Error("the blob is gone");
    expect(await prefetchRegistered(resolved, ports())).toBe(false);
    when = NOON;
    const mirror = mirrorOf(artifact, "m");
    await catalog.blobs.setLocation(mirror, someLocation(), undefined);
    const other = await catalog.blobs.resolve(mirror);
    if (other === undefined) throw new Error("the mirror is gone");
    expect(await prefetchRegistered(other, ports())).toBe(false);
    expect(await prefetchRegistered(resolved, ports())).toBe(true);
    expect(await queued(artifact.id)).toMatchObject([{ notBefore: new Date("2026-01-01T12:00:00Z") }]);
    await fill(catalog, someContent(), blob);
    const here = await catalog.blobs.resolve(ref);
    if (here === undefined) throw new Error("the blob is gone");
    expect(await prefetchRegistered(here, ports())).toBe(false);
  });
});

describe("windows", () => {
  test("what is not here is queued while its window is open, once, behind what was asked for", async () => {
    const [missing, cached] = [await active(), await active()];
    await fill(catalog, someContent(), cached.blob);
    when = NOON;
    expect(await prefetchInWindows(ports(), NEVER)).toBe(0);
    expect(woken).toBe(0);
    when = NIGHT;
    expect(await prefetchInWindows(ports(), NEVER)).toBeGreaterThanOrEqual(1);
    expect(await queued(missing.artifact.id)).toMatchObject([{ via: "window", priority: 2 }]);
    expect(await queued(cached.artifact.id)).toEqual([]);
    expect(woken).toBe(1);
    expect(await prefetchInWindows(ports(), NEVER)).toBe(0);
  });

  test("more than a page is looked through; an end that is asked for is heard", async () => {
    const before = 205;
    await Promise.all(Array.from({ length: before }, active));
    when = NIGHT;
    expect(await prefetchInWindows(ports(), NEVER)).toBe(before);
    await expect(prefetchInWindows(ports(), AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
  });
});
