import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Fill } from "../../src/cache/fill.ts";
import type { FillPlan } from "../../src/cache/fill-plan.ts";
import { Ingest } from "../../src/cache/ingest.ts";
import { patienceFrom, type RelayPorts, relayOrClaim } from "../../src/cache/relay-fill.ts";
import { SourceHealth } from "../../src/cache/source-health.ts";
import { type Catalog, openCatalog } from "../../src/catalog/open-catalog.ts";
import { type Digests, sha256 } from "../../src/domain/digest.ts";
import { CisternError, type ErrorCode } from "../../src/domain/errors.ts";
import type { CisternEvent } from "../../src/domain/events.ts";
import type { LeaseAnswer } from "../../src/domain/lease.ts";
import type { RelayAnswer, RelayRequest } from "../../src/domain/peer.ts";
import type { Spool } from "../../src/domain/spool.ts";
import { WorkerHasher } from "../../src/store/hasher/worker-hasher.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { but } from "../support/but.ts";
import { digestOf } from "../support/fault-origin.ts";
import { ManualClock } from "../support/manual-clock.ts";

const SELF = "http://b#1";
const HOLDER = "http://a#1";
const URL = "https://origin.example/a";
const BYTES = randomBytes(300_000);

type Held = LeaseAnswer & { kind: "held" };
type Peer = (request: RelayRequest) => Promise<RelayAnswer>;

const stack = new AsyncDisposableStack();
let catalog: Catalog;
let spool: Spool;
let hasher: WorkerHasher;
let clock: ManualClock;
let events: CisternEvent[];
let health: SourceHealth;
let keys = 0;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  catalog = stack.use(await openCatalog({ directory: join(path, "catalog") }));
  hasher = stack.use(new WorkerHasher());
  spool = await openSpool(join(path, "spool"), 1 << 30);
});
afterAll(() => stack.disposeAsync());
beforeEach(() => {
  clock = new ManualClock();
  events = [];
  health = new SourceHealth(clock);
  keys += 1;
});

function portsOf(peer: Peer): RelayPorts {
  return {
    peers: { relay: peer },
    leases: catalog.leases,
    blobs: catalog.blobs,
    clock,
    events: { emit: (event) => void events.push(event) },
    hot: undefined,
    inventory: catalog.inventory,
    blocked: { check: () => undefined },
    health,
    holder: SELF,
  };
}

/** A fill whose lease somebody holds: for so many milliseconds from now. */
async function someFill(term: number, digests: Digests = {}, holder = HOLDER) {
  const key = `k-${keys}`;
  const sources = [{ kind: "external", url: URL, setBy: "admin" } as const];
  const plan: FillPlan = {
    key,
    domain: key,
    project: "p",
    sources,
    digests,
    size: undefined,
    keep: false,
    image: false,
  };
  const fill = new Fill("fill-1", plan, clock.monotonic(), () => 4 * 1024 * 1024);
  const ingest = await Ingest.begin(fill, { spool, hasher, clock, mayPass: () => false }, fill.abort.signal);
  stack.defer(() => ingest.discard());
  await catalog.leases.take(key, holder, term);
  const held = await catalog.leases.take(key, SELF, 1);
  if (held.kind !== "held") throw new Error("it was free");
  return { fill, ingest, held, key };
}

/** Runs one turn; whatever it waits for passes at once. */
async function turn(given: { fill: Fill; ingest: Ingest; held: Held }, peer: Peer, patience = patienceFrom(clock)) {
  const { fill, ingest, held } = given;
  const running = relayOrClaim(fill, ingest, portsOf(peer), held, patience).finally(() => clearInterval(ticking));
  const ticking = setInterval(() => clock.advance(1_000), 5);
  return await running;
}

function failing(code: ErrorCode): Peer {
  return () => Promise.reject(new CisternError(code, "as the test wants it"));
}

/** A holder that sends these bytes from the offset on, then ends so. */
function sending(
  bytes: Buffer,
  options: { end?: ErrorCode; validator?: string; total?: number; at?: number } = {},
): Peer {
  return async ({ offset }) => ({
    url: URL,
    validator: options.validator === undefined ? undefined : { kind: "etag", value: options.validator },
    total: options.total,
    body: (async function* () {
      yield bytes.subarray(offset, options.at);
      if (options.end !== undefined) throw new CisternError(options.end, "as the test wants it");
    })(),
    verdict: () => ({ sha256: sha256(digestOf(bytes)), size: bytes.length }),
  });
}

describe("a fill whose lease another replica holds", () => {
  test("passes with the holder's", async () => {
    const given = await someFill(60_000);
    expect(await turn(given, sending(BYTES))).toBeUndefined();
    expect(given.fill.verdict).toMatchObject({ size: BYTES.length, digests: { sha256: digestOf(BYTES) } });
    expect(events.map(({ kind }) => kind)).toEqual(["fill-relayed"]);
  });

  test("is taken over when the holder denies it, though the lease has time left", async () => {
    const given = await someFill(60_000);
    expect(await turn(given, failing("peer-denied"))).toMatchObject({ kind: "taken", lease: { holder: SELF } });
  });

  test("is taken over when the holder is out of reach and has let it expire", async () => {
    const given = await someFill(0);
    expect(given.held.expired).toBe(true);
    expect(await turn(given, failing("peer-unreachable"))).toMatchObject({ kind: "taken", lease: { holder: SELF } });
  });

  test("is read along with when the holder has let it expire and answers", async () => {
    const given = await someFill(0);
    expect(await turn(given, sending(BYTES))).toBeUndefined();
    expect(await catalog.leases.find(given.key)).toMatchObject({ by: { holder: HOLDER } });
  });

  test("is asked for again while the holder is out of reach and keeps it, then its readers are told to come back", async () => {
    const given = await someFill(60_000);
    const patience = patienceFrom(clock);
    expect(await turn(given, failing("peer-unreachable"), patience)).toMatchObject({ kind: "held", expired: false });
    clock.advance(60_000);
    const told = turn(given, failing("peer-unreachable"), patience);
    await expect(told).rejects.toMatchObject({ code: "too-busy", retryAfter: 10 });
    expect(await catalog.leases.find(given.key)).toMatchObject({ by: { holder: HOLDER } });
  });

  test("fails as the holder's does, and the location is known to have failed here too", async () => {
    const given = await someFill(60_000);
    const fault = turn(given, sending(BYTES, { end: "digest-mismatch" }));
    await expect(fault).rejects.toMatchObject({ code: "digest-mismatch" });
    const [location] = given.fill.plan.sources;
    if (location === undefined) throw new Error("it has a source");
    expect(health.blocked(given.key, location)).toMatchObject({ code: "digest-mismatch" });
  });

  test.each<ErrorCode>(["shutting-down", "fill-cancelled", "spool-full", "internal"])(
    "is gone on with from here when the holder leaves it with %s",
    async (code) => {
      const given = await someFill(60_000);
      const peer: Peer = async (request) => {
        await catalog.leases.releaseAll(HOLDER);
        return await sending(BYTES, { end: code, at: 200_000 })(request);
      };
      expect(await turn(given, peer)).toMatchObject({ kind: "taken" });
      expect([given.fill.mark, given.fill.failure]).toEqual([200_000, undefined]);
    },
  );

  test("does not wait for ever for a holder that always leaves it and never gives it up", async () => {
    const given = await someFill(60_000);
    const patience = patienceFrom(clock);
    clock.advance(60_000);
    await expect(turn(given, failing("spool-full"), patience)).rejects.toMatchObject({ code: "too-busy" });
  });

  test("that fails for a reason of this replica's own is not asked of the holder again", async () => {
    const given = await someFill(60_000);
    const size = given.fill.plan.key.length;
    const peer = sending(BYTES, { total: size });
    await expect(turn(given, peer)).rejects.toMatchObject({ code: "size-mismatch" });
    expect(events.map(({ kind }) => kind)).toEqual(["fill-relayed"]);
  });

  test("is claimed at once when it is of an earlier run here", async () => {
    const given = await someFill(60_000, {}, SELF);
    const peer: Peer = () => expect.unreachable("nobody is asked");
    expect(await turn(given, peer)).toMatchObject({ kind: "taken", lease: { holder: SELF } });
  });

  test("outlives a catalog that is away for a moment", async () => {
    const given = await someFill(60_000);
    let asked = 0;
    const leases = but(catalog.leases, {
      takeOver: (...request: Parameters<Catalog["leases"]["takeOver"]>) => {
        asked += 1;
        if (asked < 3) return Promise.reject(new CisternError("catalog-unavailable", "away"));
        return catalog.leases.takeOver(...request);
      },
    });
    const ports = { ...portsOf(failing("peer-denied")), leases };
    const ticking = setInterval(() => clock.advance(1_000), 5);
    const answer = await relayOrClaim(given.fill, given.ingest, ports, given.held, patienceFrom(clock));
    clearInterval(ticking);
    expect([answer?.kind, asked]).toEqual(["taken", 3]);
  });
});

describe("I1: bytes that are here already", () => {
  /** A fill that has the first bytes from another run. */
  async function begun(validator: string | undefined, digests: Digests = {}) {
    const given = await someFill(60_000, digests);
    given.fill.open(undefined);
    given.ingest.from(URL, validator === undefined ? undefined : { kind: "etag", value: validator });
    await given.ingest.take(BYTES.subarray(0, 1_000));
    return given;
  }

  test("are gone on with under the same validator", async () => {
    const given = await begun('"1"');
    expect(await turn(given, sending(BYTES, { validator: '"1"' }))).toBeUndefined();
    expect(given.fill.verdict?.size).toBe(BYTES.length);
  });

  test.each([
    ["another validator", '"1"', '"2"'],
    ["none", undefined, undefined],
    ["none any more", '"1"', undefined],
  ])("are not gone on with under %s, for nothing would tell", async (_, had, has) => {
    const given = await begun(had);
    const peer = sending(BYTES, has === undefined ? {} : { validator: has });
    await expect(turn(given, peer)).rejects.toMatchObject({ code: "content-changed" });
  });

  test("are gone on with under any validator when a recorded digest tells in the end", async () => {
    const right = await begun('"1"', { sha256: sha256(digestOf(BYTES)) });
    expect(await turn(right, sending(BYTES, { validator: '"2"' }))).toBeUndefined();
    keys += 1;
    const other = randomBytes(BYTES.length);
    const wrong = await begun('"1"', { sha256: sha256(digestOf(other)) });
    await expect(turn(wrong, sending(other, { validator: '"2"' }))).rejects.toMatchObject({ code: "digest-mismatch" });
  });

  test("are gone on with when they came from this very fill, whose connection broke", async () => {
    const given = await someFill(60_000);
    const patience = patienceFrom(clock);
    const cut = sending(BYTES, { end: "peer-unreachable", at: 100_000 });
    expect(await turn(given, cut, patience)).toMatchObject({ kind: "held" });
    expect(await turn(given, sending(BYTES), patience)).toBeUndefined();
    expect(given.fill.verdict?.digests.sha256).toBe(digestOf(BYTES));
  });

  test("are not what they are said to be when the holder has found something else", async () => {
    const given = await someFill(60_000);
    const lying: Peer = async (request) => ({
      ...(await sending(BYTES)(request)),
      verdict: () => ({ sha256: sha256("ab".repeat(32)), size: BYTES.length }),
    });
    await expect(turn(given, lying)).rejects.toMatchObject({ code: "content-changed" });
    expect(given.fill.verdict).toBeUndefined();
  });
});
