import { createHash } from "node:crypto";
import type { Clock } from "../domain/clock.ts";
import { hasAnyDigest } from "../domain/digest.ts";
import type { Behalf } from "../domain/egress.ts";
import { CisternError, type ErrorCode } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";
import { type ExternalLocation, maskUrl, originOf } from "../domain/location.ts";
import type { Source, SourceAnswer } from "../domain/source.ts";
import { behalfOf } from "./behalf.ts";
import type { Fill } from "./fill.ts";
import type { HeldSpace } from "./held-space.ts";
import type { Ingest } from "./ingest.ts";
import type { SourceHealth } from "./source-health.ts";

export interface PullPorts {
  readonly source: Source;
  readonly health: SourceHealth;
  readonly clock: Clock;
  readonly events: Events;
}

/** The room for what is pulled: taken when a source has answered, and before its first byte (I9). */
type PullSpace = Pick<HeldSpace, "begin" | "wait">;

/** Attempts at one source in a row that bring no byte. */
const ATTEMPTS = 3;
/** Less than this is a trickle: an origin that breaks again and again is not waited for. */
const REAL_PROGRESS = 256 * 1024;
const RETRY_BASE_MS = 200;
const RETRY_CAP_MS = 5_000;
/** Trying the same location again may help; for all other faults of a source it does not. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "origin-unreachable",
  "origin-timeout",
  "origin-failed",
  "origin-broken",
]);
/** Faults of one source: another one may still deliver. */
const OF_THE_SOURCE: ReadonlySet<ErrorCode> = new Set([
  ...PASSING,
  "origin-refused",
  "origin-encoded",
  "origin-unframed",
  "origin-loop",
  "size-mismatch",
  "host-not-allowed",
  "address-not-allowed",
  // Where a redirect leads, or how much it has: of another mirror that may be otherwise.
  "policy-denied",
]);

/**
 * Brings in the whole content: from the first source that answers, resumed where a stream breaks,
 * taken over by the next source when one does not go on. Rejects when none is left.
 */
export async function pullAll(
  fill: Fill,
  ingest: Ingest,
  space: PullSpace,
  ports: PullPorts,
  signal: AbortSignal,
): Promise<void> {
  if (fill.total !== undefined && fill.mark === fill.total && fill.mark > 0) {
    if (!(await space.begin(fill.total))) await space.wait();
    fill.open(fill.total);
    return;
  }
  const behalf = behalfOf(fill);
  const turns = new Turns(fill, ports.health);
  for (;;) {
    const location = turns.next();
    const before = fill.mark;
    try {
      await pull(fill, ingest, space, ports.source, location, behalf, signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof CisternError) || !OF_THE_SOURCE.has(error.code)) throw error;
      ports.events.emit({
        kind: "fill-source-failed",
        fill: fill.id,
        url: maskUrl(location.url),
        at: fill.mark,
        code: error.code,
        cause: error,
      });
      const pause = turns.failed(location, error, fill.mark - before);
      if (pause > 0) await ports.clock.sleep(pause * ports.clock.random(), signal);
    }
  }
}

/** Whose turn it is among the sources of a fill. */
class Turns {
  readonly #fill: Fill;
  readonly #health: SourceHealth;
  readonly #fruitless = new Map<string, number>();
  #left: ExternalLocation[];
  #last: CisternError | undefined;

  constructor(fill: Fill, health: SourceHealth) {
    this.#fill = fill;
    this.#health = health;
    this.#left = [...fill.plan.sources];
  }

  /** The next source to try; throws the failure to report when none is left. */
  next(): ExternalLocation {
    const { domain } = this.#fill.plan;
    const open = this.#left.find((location) => this.#health.blocked(domain, location) === undefined);
    // A fill that has bytes goes on with what it has; back-off is there to keep new ones from starting.
    const location = open ?? (this.#fill.mark > 0 || this.#last !== undefined ? this.#left[0] : undefined);
    if (location !== undefined) return location;
    const [first] = this.#fill.plan.sources;
    const blocked = first === undefined ? undefined : this.#health.blocked(domain, first);
    throw this.#last ?? blocked ?? new CisternError("internal", "a fill without a source");
  }

  /** Judges a failure; answers how long to wait at most, in milliseconds, before the next attempt. */
  failed(location: ExternalLocation, error: CisternError, progress: number): number {
    this.#last = error;
    const count = progress >= REAL_PROGRESS ? 0 : (this.#fruitless.get(location.url) ?? 0) + 1;
    this.#fruitless.set(location.url, count);
    const wait = (error.retryAfter ?? 0) * 1000;
    const over = !PASSING.has(error.code) || count >= ATTEMPTS || wait > RETRY_CAP_MS;
    const others = this.#left.filter((other) => other !== location);
    // The next policy may have it: that is no memory of the origin.
    if (over && error.code !== "policy-denied") this.#health.failed(this.#fill.plan.domain, location, error);
    if (over || count > 0) this.#left = over ? others : [...others, location];
    if (this.#left.length === 0) throw error;
    return count === 0 ? 0 : Math.max(wait, Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** count));
  }
}

/** One attempt at one source, from the high-water mark on. */
async function pull(
  fill: Fill,
  ingest: Ingest,
  space: PullSpace,
  source: Source,
  location: ExternalLocation,
  behalf: Behalf,
  signal: AbortSignal,
): Promise<void> {
  const { permits } = fill.plan;
  const recorded = hasAnyDigest(fill.plan.digests);
  const resumed = fill.mark > 0 && ingest.url === location.url ? ingest.validator : undefined;
  const offset = resumed === undefined ? 0 : fill.mark;
  const answer = await source.open(
    { location, behalf, offset, validator: resumed, acceptEncoded: recorded, judgeHop: permits?.hop },
    signal,
  );
  // A body that nobody reads would hold its connection until the stall time-out.
  const leave = () => answer.body[Symbol.asyncIterator]().return?.();
  let body = answer.body;
  let begun: boolean;
  try {
    refuseEarly(fill, ingest, answer, location, recorded);
    if (answer.total !== undefined) permits?.size(answer.total);
    begun = await space.begin(answer.total);
    if (begun) {
      if (answer.offset < fill.mark) body = afterPrefix(body, fill.mark, await ingest.prefix());
      fill.open(answer.total);
      ingest.from(location.url, answer.validator);
    }
  } catch (error) {
    await leave();
    throw error;
  }
  if (!begun) {
    await leave();
    await space.wait();
    return await pull(fill, ingest, space, source, location, behalf, signal);
  }
  for await (const chunk of body) {
    permits?.size(fill.mark + chunk.length);
    const wait = ingest.take(chunk);
    if (wait !== undefined) await wait;
  }
  if (fill.total !== undefined && fill.mark < fill.total) {
    throw new CisternError("origin-broken", "the origin delivered fewer bytes than recorded or announced", {
      origin: originOf(location.url),
    });
  }
}

/** What an answer's head tells already: a contradiction fails before the body. */
function refuseEarly(
  fill: Fill,
  ingest: Ingest,
  answer: SourceAnswer,
  location: ExternalLocation,
  recorded: boolean,
): void {
  const origin = originOf(location.url);
  if (!answer.framed && !recorded) {
    throw new CisternError(
      "origin-unframed",
      "the origin does not tell where its answer ends: record a checksum to fetch from it",
      { origin },
    );
  }
  if (answer.total !== undefined && fill.total !== undefined && answer.total !== fill.total) {
    throw new CisternError("size-mismatch", `the origin announces ${answer.total} bytes, ${fill.total} are expected`, {
      origin,
    });
  }
  if (fill.mark === 0 || answer.offset === fill.mark || recorded) return;
  const { validator } = answer;
  const same = validator !== undefined && ingest.url === location.url && ingest.validator?.value === validator.value;
  if (!same) throw new CisternError("content-changed", "the origin's content has changed during the fetch", { origin });
}

/** The body behind its first `bytes`, which must have this SHA-256; else `content-changed`. */
async function* afterPrefix(
  body: AsyncIterable<Uint8Array>,
  bytes: number,
  expected: string,
): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  let left = bytes;
  for await (const chunk of body) {
    if (left === 0) {
      yield chunk;
      continue;
    }
    const head = chunk.length <= left ? chunk : chunk.subarray(0, left);
    hash.update(head);
    left -= head.length;
    if (left > 0) continue;
    if (hash.digest("hex") !== expected) {
      throw new CisternError("content-changed", "another source or a later answer has different bytes");
    }
    if (head.length < chunk.length) yield chunk.subarray(head.length);
  }
  if (left > 0) throw new CisternError("origin-broken", "the origin delivered fewer bytes than before");
}
