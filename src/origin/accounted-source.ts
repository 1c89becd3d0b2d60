import type { Behalf, EgressLog, EgressMeter, Hop } from "../domain/egress.ts";
import { isCisternError } from "../domain/errors.ts";
import type { CisternEvent } from "../domain/events.ts";
import type { ExternalLocation } from "../domain/location.ts";
import type { HeadRequest, Source, SourceAnswer, SourceHead, SourceRequest } from "../domain/source.ts";
import { CountedBody } from "./counted-body.ts";
import { EgressNotes } from "./egress-notes.ts";

export interface AccountPorts {
  readonly source: Source;
  readonly meter: EgressMeter;
  readonly log: EgressLog;
}

/**
 * A source whose every request is noted, redirects one by one, and whose bytes count for the project
 * that they are fetched for. Adds `egress-quota` to what `open` throws, before anything is dialled
 * where the length is recorded. Nothing on the way of the bytes waits for the catalog.
 */
export class AccountedSource implements Source {
  readonly #source: Source;
  readonly #meter: EgressMeter;
  readonly #notes: EgressNotes;

  constructor({ source, meter, log }: AccountPorts) {
    this.#source = source;
    this.#meter = meter;
    this.#notes = new EgressNotes(log);
  }

  admissible(location: ExternalLocation): void {
    this.#source.admissible(location);
  }

  async head(request: HeadRequest, signal: AbortSignal): Promise<SourceHead> {
    const hops: Hop[] = [];
    try {
      const head = await this.#source.head({ ...request, onHop: (hop) => hops.push(hop) }, signal);
      this.#noteBare(request.behalf, hops, "size");
      return head;
    } catch (error) {
      this.#noteBare(request.behalf, hops, outcomeOf(error));
      throw error;
    }
  }

  async open(request: SourceRequest, signal: AbortSignal): Promise<SourceAnswer> {
    const { behalf, offset } = request;
    await this.#meter.admit(behalf, remaining(behalf.size, offset));
    this.#notes.begin(behalf);
    const hops: Hop[] = [];
    let answer: SourceAnswer;
    try {
      answer = await this.#source.open({ ...request, onHop: (hop) => hops.push(hop) }, signal);
    } catch (error) {
      this.#noteBare(behalf, hops, outcomeOf(error));
      throw error;
    }
    const last = hops.pop();
    this.#noteLed(behalf, hops);
    return { ...answer, body: await this.#admitted(behalf, answer, this.#counted(behalf, last, answer.body)) };
  }

  /** What became of fills: told with the events of this process. */
  hear(event: CisternEvent): void {
    if (event.kind === "fill-passed") this.#over(event.fill, event.sha256);
    // One that goes on with another replica's bytes fetches no more here.
    else if (event.kind === "fill-failed" || event.kind === "fill-relayed") this.#over(event.fill, undefined);
  }

  #over(fill: string, sha256: string | undefined): void {
    this.#notes.end(fill, sha256);
    this.#meter.over(fill);
  }

  #counted(behalf: Behalf, hop: Hop | undefined, body: AsyncIterable<Uint8Array>): CountedBody {
    let got = 0;
    return new CountedBody(body, {
      onBytes: (bytes) => {
        got += bytes;
        this.#meter.count(behalf, bytes);
      },
      onEnd: (outcome) => {
        if (hop !== undefined) this.#notes.note(behalf, hop, got, outcome);
      },
    });
  }

  /** A length that only the answer tells may be too much for the project. */
  async #admitted(behalf: Behalf, { total, offset }: SourceAnswer, body: CountedBody): Promise<CountedBody> {
    try {
      await this.#meter.admit(behalf, remaining(total, offset));
      return body;
    } catch (error) {
      await body.return();
      throw error;
    }
  }

  /** A request that ended without a body for the caller. */
  #noteBare(behalf: Behalf, hops: readonly Hop[], outcome: string): void {
    this.#noteLed(behalf, hops.slice(0, -1));
    const last = hops.at(-1);
    if (last !== undefined) this.#notes.noteBare(behalf, last, outcome);
  }

  /** Requests that were followed by another one: redirects, and a part of what has changed meanwhile. */
  #noteLed(behalf: Behalf, hops: readonly Hop[]): void {
    for (const hop of hops) {
      const redirected = hop.status !== undefined && hop.status >= 300 && hop.status < 400;
      this.#notes.noteBare(behalf, hop, redirected ? "redirected" : "cut");
    }
  }
}

function remaining(total: number | undefined, offset: number): number | undefined {
  return total === undefined ? undefined : Math.max(0, total - offset);
}

function outcomeOf(error: unknown): string {
  return isCisternError(error) ? error.code : "aborted";
}
