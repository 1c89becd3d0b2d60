import type { Remnant } from "./remains.ts";

/** Remains by what they may be wanted for. In memory: looking one up costs no file call. */
export class RemainsIndex {
  readonly #remains = new Map<string, Remnant>();

  #bytes = 0;

  constructor(remains: Iterable<Remnant>) {
    for (const remnant of remains) this.add(remnant);
  }

  /** Bytes that all of them occupy. */
  get bytes(): number {
    return this.#bytes;
  }

  add(remnant: Remnant): void {
    this.#remains.set(remnant.id, remnant);
    this.#bytes += remnant.bytes;
  }

  /** Takes all of one key out, the one that reaches furthest first. */
  takeAll(key: string): Remnant[] {
    return this.#take(({ resume }) => resume?.header.key === key).sort((a, b) => reach(b) - reach(a));
  }

  /** Takes out what cannot be resumed or was written last before `time` (milliseconds since 1970). */
  takeStale(time: number): Remnant[] {
    return this.#take(({ resume, modifiedAt }) => resume === undefined || modifiedAt < time);
  }

  /** Takes out what is missed least: what cannot be resumed, else the oldest. */
  takeOldest(): Remnant | undefined {
    let oldest: Remnant | undefined;
    for (const remnant of this.#remains.values()) {
      if (oldest === undefined || age(remnant) < age(oldest)) oldest = remnant;
    }
    if (oldest !== undefined) this.#delete(oldest);
    return oldest;
  }

  #take(fits: (remnant: Remnant) => boolean): Remnant[] {
    const taken = [...this.#remains.values()].filter(fits);
    for (const remnant of taken) this.#delete(remnant);
    return taken;
  }

  #delete({ id, bytes }: Remnant): void {
    this.#remains.delete(id);
    this.#bytes -= bytes;
  }
}

function reach({ resume }: Remnant): number {
  return resume?.checkpoint.offset ?? 0;
}

function age({ resume, modifiedAt }: Remnant): number {
  return resume === undefined ? Number.NEGATIVE_INFINITY : modifiedAt;
}
