import { LRUCache } from "lru-cache";
import type { HeadRequest, Source } from "../domain/source.ts";

/** Longer than the source's own limit, which tells the better story. */
const HEAD_MS = 15_000;

/** Lengths that origins told in answer to a HEAD: unverified, for HEAD alone, remembered for five minutes. */
export class OriginSizes {
  readonly #source: Pick<Source, "head">;
  readonly #sizes = new LRUCache<string, Promise<number | undefined>>({ max: 10_000, ttl: 300_000 });

  constructor(source: Pick<Source, "head">) {
    this.#source = source;
  }

  /** Bytes; undefined when the origin does not tell. One question for all who ask at once. */
  async ask(request: HeadRequest, signal: AbortSignal): Promise<number | undefined> {
    const { url } = request.location;
    const asked = this.#sizes.get(url) ?? this.#head(request);
    this.#sizes.set(url, asked);
    // A failure is not remembered; whoever asked hears of it below.
    asked.catch(() => this.#sizes.delete(url));
    const size = await asked;
    signal.throwIfAborted();
    return size;
  }

  async #head(request: HeadRequest): Promise<number | undefined> {
    return (await this.#source.head(request, AbortSignal.timeout(HEAD_MS))).size;
  }
}
