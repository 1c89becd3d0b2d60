import type { Clock } from "../domain/clock.ts";

/** Rejects when the part does not answer as it should. */
export type PartCheck = (signal: AbortSignal) => Promise<void>;

interface Verdict {
  readonly ok: boolean;
  /** Milliseconds of the monotonic clock. */
  readonly at: number;
}

interface Part {
  readonly check: PartCheck;
  last: Verdict | undefined;
  running: Promise<void> | undefined;
}

/** Verdicts are shared so long: many probes ask no more often than one. */
const SHARED_MS = 1_000;
/** A part that has not answered by then is unavailable. */
const CHECK_MS = 5_000;
/** Probes themselves wait a second as a rule: a part that is slower leaves its last verdict to stand. */
const ANSWER_MS = 750;

/** Asks the parts of this process whether they work, all at once. */
export class PartChecks {
  readonly #parts: ReadonlyMap<string, Part>;
  readonly #clock: Clock;

  constructor(checks: Readonly<Record<string, PartCheck>>, clock: Clock) {
    this.#clock = clock;
    this.#parts = new Map(
      Object.entries(checks).map(([name, check]) => [name, { check, last: undefined, running: undefined }]),
    );
  }

  /** Each part by name, and whether it works. Never rejects; answers within a second. */
  async verdicts(): Promise<ReadonlyMap<string, boolean>> {
    const running = [...this.#parts.values()].map((part) => this.#refresh(part));
    const enough = new AbortController();
    const late = this.#clock.sleep(ANSWER_MS, enough.signal).catch(() => undefined);
    await Promise.race([Promise.all(running), late]);
    enough.abort();
    return new Map([...this.#parts].map(([name, { last }]) => [name, last?.ok ?? false]));
  }

  #refresh(part: Part): Promise<void> | undefined {
    if (part.running !== undefined) return part.running;
    if (part.last !== undefined && this.#clock.monotonic() - part.last.at < SHARED_MS) return undefined;
    part.running = this.#ask(part.check).then((ok) => {
      part.last = { ok, at: this.#clock.monotonic() };
      part.running = undefined;
    });
    return part.running;
  }

  /** What is wrong is told by the part itself, where it fails somebody. */
  async #ask(check: PartCheck): Promise<boolean> {
    const over = new AbortController();
    const late = this.#clock.sleep(CHECK_MS, over.signal).then(
      () => false,
      () => false,
    );
    const asked = check(over.signal).then(
      () => true,
      () => false,
    );
    const ok = await Promise.race([asked, late]);
    over.abort();
    return ok;
  }
}
