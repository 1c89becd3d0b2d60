import { CisternError } from "../../domain/errors.ts";
import { originOf } from "../../domain/location.ts";
import type { RelayVerdict } from "../../domain/peer.ts";
import { RELAY_FIELDS, type RelayHead, readRelayEnd, relayStatement } from "../../domain/relay-wire.ts";
import type { Exchange } from "../exchange.ts";

export interface RelayTerms {
  readonly head: RelayHead;
  /** The byte that the body begins with. */
  readonly offset: number;
  /** Whether the replica that was asked has said this. */
  readonly confirms: (statement: string, proof: string | undefined) => boolean;
}

/** A peer's bytes, which end normally only when its proved verdict follows them. Read once. */
export class RelayBody implements AsyncIterableIterator<Uint8Array> {
  readonly #answer: Exchange;
  readonly #terms: RelayTerms;
  readonly #signal: AbortSignal;
  #received = 0;
  #verdict: RelayVerdict | undefined;

  constructor(answer: Exchange, terms: RelayTerms, signal: AbortSignal) {
    this.#answer = answer;
    this.#terms = terms;
    this.#signal = signal;
  }

  verdict(): RelayVerdict {
    if (this.#verdict === undefined) throw new CisternError("internal", "a relay has no verdict before its end");
    return this.#verdict;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    let step: IteratorResult<Uint8Array, undefined>;
    try {
      step = await this.#answer.body.next();
    } catch (error) {
      if (this.#signal.aborted) throw error;
      throw broken("the connection to the replica that fetches this broke", error);
    }
    if (step.done === true) this.#verdict ??= this.#judge();
    else this.#received += step.value.length;
    return step;
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    return this.#answer.body.return();
  }

  #judge(): RelayVerdict {
    const { head, offset, confirms } = this.#terms;
    const trailers = this.#answer.trailers();
    const end = readRelayEnd(trailers);
    const proof = trailers[RELAY_FIELDS.proof];
    if (end === undefined || typeof proof !== "string" || !confirms(relayStatement(head, end), proof)) {
      throw broken("the replica that fetches this ended without a verdict", new Error("no proved trailer"));
    }
    if (end.kind === "failure") {
      throw new CisternError(end.code, "the fetch failed on the replica that did it", failureDetails(head.url));
    }
    const { size } = end.verdict;
    if (size < offset) {
      throw new CisternError("content-changed", "the content has fewer bytes than were received of it before");
    }
    if (size !== offset + this.#received) {
      throw broken("the replica that fetches this sent another number of bytes than it says", new Error("wrong size"));
    }
    return end.verdict;
  }
}

function failureDetails(url: string): { origin?: string } {
  return URL.canParse(url) ? { origin: originOf(url) } : {};
}

function broken(message: string, cause: unknown): CisternError {
  return new CisternError("peer-unreachable", message, { cause });
}
