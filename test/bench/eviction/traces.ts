import { type Random, seededRandom } from "../faults/random.ts";
import { imageSize, zipf } from "./distributions.ts";

/** Who asked for what, one after the other. */
export interface Trace {
  readonly name: string;
  /** Bytes of each content. */
  readonly sizes: readonly number[];
  /** Indices into `sizes`. */
  readonly requests: readonly number[];
}

/** How much of it there is. */
export interface Extent {
  readonly contents: number;
  readonly requests: number;
}

type Make = (random: Random, extent: Extent) => Omit<Trace, "name">;

/** Popularity that never changes: the k-th content is asked for k^-alpha times as often as the first. */
function steady(alpha: number): Make {
  return (random, { contents, requests }) => {
    const rank = zipf(contents, alpha);
    return { sizes: imageSizes(random, contents), requests: Array.from({ length: requests }, () => rank(random)) };
  };
}

/** Zipf 0.9; now and then somebody fetches some hundred contents that nobody ever asks for again. */
const scans: Make = (random, { contents, requests }) => {
  const rank = zipf(contents, 0.9);
  const sizes = [...imageSizes(random, contents)];
  const asked: number[] = [];
  while (asked.length < requests) {
    asked.push(rank(random));
    if (random.fraction() >= 1 / (0.6 * contents)) continue;
    for (let left = contents * (0.1 + 0.2 * random.fraction()); left > 0; left -= 1)
      asked.push(sizes.push(imageSize(random)) - 1);
  }
  return { sizes, requests: asked.slice(0, requests) };
};

/** Zipf 0.9; from time to time somebody reads everything there is, once and in order (a mirror, a virus scanner). */
const walks: Make = (random, { contents, requests }) => {
  const rank = zipf(contents, 0.9);
  const asked: number[] = [];
  while (asked.length < requests) {
    for (let left = 4 * contents; left > 0; left -= 1) asked.push(rank(random));
    for (let id = 0; id < contents; id += 1) asked.push(id);
  }
  return { sizes: imageSizes(random, contents), requests: asked.slice(0, requests) };
};

/**
 * Zipf 0.9 over products, each of which releases a new version from time to time; `pinned` of those
 * who ask want the version before, as many of these the one before that, and so on.
 */
function releases(pinned: number): Make {
  return (random, { contents, requests }) => {
    const products = Math.ceil(contents / 4);
    const rank = zipf(products, 0.9);
    const sizes = [...imageSizes(random, products)];
    const versions = sizes.map((_, id) => [id]);
    const asked: number[] = [];
    while (asked.length < requests) {
      if (random.fraction() < contents / requests) {
        const of = versions[Math.floor(random.fraction() * products)] ?? [];
        of.unshift(sizes.push((sizes[of[0] ?? 0] ?? 0) * (0.95 + 0.1 * random.fraction())) - 1);
      }
      const of = versions[rank(random)] ?? [];
      let age = 0;
      while (age + 1 < of.length && random.fraction() < pinned) age += 1;
      asked.push(of[age] ?? 0);
    }
    return { sizes, requests: asked };
  };
}

/** Zipf 0.9; what is popular is dealt anew six times. */
const upheavals: Make = (random, { contents, requests }) => {
  const rank = zipf(contents, 0.9);
  let dealt: readonly number[] = [];
  const asked: number[] = [];
  while (asked.length < requests) {
    if (asked.length % Math.ceil(requests / 6) === 0) dealt = shuffled(random, contents);
    asked.push(dealt[rank(random)] ?? 0);
  }
  return { sizes: imageSizes(random, contents), requests: asked };
};

/** Zipf 0.8, in storms: up to some hundred machines boot from one image at one time, a few storms beside each other. */
const storms: Make = (random, { contents, requests }) => {
  const rank = zipf(contents, 0.8);
  const running: { id: number; left: number }[] = [];
  const asked: number[] = [];
  while (asked.length < requests) {
    if (running.length < 4 || random.fraction() < 0.02)
      running.push({ id: rank(random), left: Math.ceil(1 / (random.fraction() + 0.002)) });
    const at = Math.floor(random.fraction() * running.length);
    const storm = running[at];
    if (storm === undefined) continue;
    asked.push(storm.id);
    storm.left -= 1;
    if (storm.left <= 0) running.splice(at, 1);
  }
  return { sizes: imageSizes(random, contents), requests: asked };
};

const MAKERS: Readonly<Record<string, Make>> = {
  "zipf 0.6": steady(0.6),
  "zipf 0.8": steady(0.8),
  "zipf 1.0": steady(1),
  "zipf 1.2": steady(1.2),
  scans,
  walks,
  releases: releases(0.35),
  upheavals,
  storms,
};

/** All traces, each of randomness of its own. */
export function traces(seed: number, extent: Extent): readonly Trace[] {
  return Object.entries(MAKERS).map(([name, make], at) => ({ name, ...make(seededRandom(seed * 1_000 + at), extent) }));
}

/** The trace that LRU is made for; see `replacements`. */
export const LAST_READ_DECIDES = "replacements";

/** New versions replace old ones at once and for ever, all the time: how often something was read says nothing. */
export function replacements(seed: number, extent: Extent): Trace {
  return { name: LAST_READ_DECIDES, ...releases(0)(seededRandom(seed * 1_000 + 999), extent) };
}

/** Bytes of everything that is asked for at all. */
export function footprint({ sizes, requests }: Trace): number {
  let bytes = 0;
  for (const id of new Set(requests)) bytes += sizes[id] ?? 0;
  return bytes;
}

function imageSizes(random: Random, count: number): readonly number[] {
  return Array.from({ length: count }, () => imageSize(random));
}

function shuffled(random: Random, count: number): readonly number[] {
  const drawn = Array.from({ length: count }, (_, id) => ({ id, order: random.fraction() }));
  return drawn.sort((a, b) => a.order - b.order).map(({ id }) => id);
}
