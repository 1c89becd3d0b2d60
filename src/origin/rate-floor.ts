import { CisternError } from "../domain/errors.ts";

/**
 * Ends a body that trickles: no client of the origin's choice may hold a fill for ever (I9). Only
 * time that the reader has waited counts, so that a slow reader is not taken for a slow origin.
 */
export class RateFloor {
  readonly #bytesPerSecond: number;
  readonly #overMs: number;
  #waited = 0;
  #bytes = 0;

  constructor(floor: { readonly bytesPerSecond: number; readonly overMs: number }) {
    this.#bytesPerSecond = floor.bytesPerSecond;
    this.#overMs = floor.overMs;
  }

  /** Notes what came while the reader waited; throws `origin-timeout` when it is too little. */
  note(waitedMs: number, bytes: number): void {
    this.#waited += waitedMs;
    this.#bytes += bytes;
    if (this.#waited < this.#overMs) return;
    if (this.#bytes < (this.#bytesPerSecond * this.#waited) / 1000) {
      throw new CisternError("origin-timeout", "the origin sends too slowly");
    }
    this.#waited = 0;
    this.#bytes = 0;
  }
}
