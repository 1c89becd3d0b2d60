import type { Behalf, EgressLog, EgressRecord, Hop } from "../domain/egress.ts";
import { maskUrl } from "../domain/location.ts";

/** So many requests of one fill wait for its verdict at most; older ones are told without it. */
const MAX_HELD = 100;

/** Requests that left, each told once: those of a fill when it is known what became of it. */
export class EgressNotes {
  readonly #log: EgressLog;
  readonly #held = new Map<string, EgressRecord[]>();

  constructor(log: EgressLog) {
    this.#log = log;
  }

  /** From now on what this fill asks for waits for its end. */
  begin({ fill }: Behalf): void {
    if (fill !== undefined && !this.#held.has(fill)) this.#held.set(fill, []);
  }

  /** A request that brought no body: a redirect, a refusal, a failure, a HEAD. */
  noteBare(behalf: Behalf, hop: Hop, outcome: string): void {
    this.#log.left(recordOf(behalf, hop, 0, outcome));
  }

  /** A request whose body is over. */
  note(behalf: Behalf, hop: Hop, bytes: number, outcome: string): void {
    const record = recordOf(behalf, hop, bytes, outcome);
    const held = behalf.fill === undefined ? undefined : this.#held.get(behalf.fill);
    if (held === undefined) {
      this.#log.left(record);
      return;
    }
    held.push(record);
    const oldest = held.length > MAX_HELD ? held.shift() : undefined;
    if (oldest !== undefined) this.#log.left(oldest);
  }

  /** The fill is over; with the digest that it has passed with. */
  end(fill: string, sha256: string | undefined): void {
    const held = this.#held.get(fill) ?? [];
    this.#held.delete(fill);
    for (const record of held) {
      const verdict = sha256 === undefined ? "failed" : "passed";
      const outcome = record.outcome === "complete" ? verdict : record.outcome;
      this.#log.left({ ...record, outcome, sha256 });
    }
  }
}

function recordOf({ project, blob }: Behalf, { url, ...hop }: Hop, bytes: number, outcome: string): EgressRecord {
  return { ...hop, project, blob, url: maskUrl(url), bytes, outcome, sha256: undefined };
}
