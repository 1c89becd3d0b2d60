import type { Behaviour } from "../../support/fault-origin.ts";
import type { Random } from "./random.ts";

type Recorded = "sha256" | "sha512" | "sha1" | "md5" | "sha256+size" | "nothing";

/** One faulty fetch: what the record says, what the origin does, and who asks. */
export interface FaultPlan {
  readonly size: number;
  readonly recorded: Recorded;
  /** One per request to the origin, the last for all that follow. */
  readonly behaviours: readonly Behaviour[];
  /** The same of a mirror, when the record names one. */
  readonly mirror: readonly Behaviour[] | undefined;
  readonly clients: readonly ClientKind[];
}

/** How a client goes on after a broken body: see `resuming-client.ts`. */
export type ClientKind = "curl" | "curl -0" | "curl -C" | "wget -c" | "range";

const KIB = 1024;
const MIB = 1024 * KIB;
const CLIENTS = ["curl", "curl", "curl -0", "curl -C", "wget -c", "range"] as const;

export function drawPlan(random: Random): FaultPlan {
  const size = drawSize(random);
  const recorded = random.pick<Recorded>(["sha256", "sha256", "sha256+size", "sha512", "sha1", "md5", "nothing"]);
  const behaviours = () => drawBehaviours(random, size, recorded);
  return {
    size,
    recorded,
    behaviours: behaviours(),
    mirror: random.chance(0.3) ? behaviours() : undefined,
    clients: Array.from({ length: random.between(1, 3) }, () => random.pick<ClientKind>(CLIENTS)),
  };
}

// The borders are where the rules change: bodies up to 1 MiB wait for the verdict, the last 64 KiB are held back.
function drawSize(random: Random): number {
  const border = random.pick([1, 64 * KIB, MIB, 2 * MIB]);
  return random.chance(0.4) ? Math.max(1, border + random.between(-1, 1)) : random.between(1, 3 * MIB);
}

function drawBehaviours(random: Random, size: number, recorded: Recorded): readonly Behaviour[] {
  const behaviours = Array.from({ length: random.between(1, 4) }, () => drawBehaviour(random, size, recorded));
  return random.chance(0.6) ? [...behaviours, {}] : behaviours;
}

function drawBehaviour(random: Random, size: number, recorded: Recorded): Behaviour {
  // What no client and no proxy could notice without a recorded digest is no fault of theirs.
  const fault = recorded === "nothing" ? drawVisible(random, size) : drawAny(random, size);
  return { ...drawManner(random), ...fault };
}

function drawAny(random: Random, size: number): Behaviour {
  const inside = random.between(0, size - 1);
  return random.chance(0.5)
    ? drawVisible(random, size)
    : random.pick<Behaviour>([
        { flipBitAt: inside },
        { flipBitAt: size - 1 },
        { truncateTo: inside },
        { contentLength: inside },
        { extendBy: random.between(1, 100_000) },
        { content: { size, seed: "other" } },
        { content: { size, seed: "other" }, resetAt: inside },
        { flipBitAt: inside, resetAt: random.between(0, size - 1) },
        { encoding: "gzip" },
        { contentRange: `bytes 0-${size - 1}/${size}` },
      ]);
}

function drawVisible(random: Random, size: number): Behaviour {
  const inside = random.between(0, size - 1);
  return random.pick<Behaviour>([
    {},
    { resetAt: inside },
    { resetAt: inside },
    { resetAt: size },
    { closeAt: inside },
    { stallAt: inside },
    { contentLength: size + random.between(1, 100_000) },
    { status: random.pick([500, 502, 503, 404, 403, 410]) },
    { status: 429, retryAfter: 1 },
    { redirect: "?hop" },
  ]);
}

/** Legitimate differences between origins, on top of which things go wrong. */
function drawManner(random: Random): Behaviour {
  return {
    ...(random.chance(0.2) ? { framing: random.pick(["chunked", "close"]) } : {}),
    ...(random.chance(0.2) ? { ranges: false } : {}),
    ...(random.chance(0.15) ? { etag: random.pick([null, '"changed"', 'W/"weak"']) } : {}),
    ...(random.chance(0.1) ? { lastModified: null } : {}),
    ...(random.chance(0.2) ? { rate: random.between(1, 20) * MIB } : {}),
  };
}
