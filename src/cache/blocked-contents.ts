import type { Block, Blocks } from "../domain/blocks.ts";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";

export interface BlockedPorts {
  readonly blocks: Pick<Blocks, "find" | "list">;
  /** Told of bytes that are blocked from now on: whoever has them under way is cut. */
  onBlocked(sha256: Sha256): void;
}

/** What is blocked, in memory: a hit asks no database. */
export class BlockedContents {
  #known = new Map<Sha256, Block>();
  readonly #ports: BlockedPorts;
  /** One look after the other: of two that overlap the earlier would undo what the later has learned. */
  #looking: Promise<unknown> = Promise.resolve();

  constructor(ports: BlockedPorts) {
    this.#ports = ports;
  }

  /** `content-blocked` when these bytes are; what nobody knows the digest of passes. */
  check(sha256: Sha256 | undefined): void {
    if (sha256 !== undefined && this.#known.has(sha256)) throw blocked();
  }

  /** Learns all that is blocked by now. */
  load(): Promise<void> {
    return this.#inTurn(async () => {
      const before = this.#known;
      const listed = await this.#ports.blocks.list();
      this.#known = new Map(listed.map((block) => [block.sha256, block]));
      for (const sha256 of this.#known.keys()) if (!before.has(sha256)) this.#ports.onBlocked(sha256);
    });
  }

  /** Something has changed about these bytes. */
  look(sha256: Sha256): Promise<void> {
    return this.#inTurn(async () => {
      const block = await this.#ports.blocks.find(sha256);
      if (block === undefined) {
        this.#known.delete(sha256);
        return;
      }
      this.#known.set(sha256, block);
      this.#ports.onBlocked(sha256);
    });
  }

  #inTurn(look: () => Promise<void>): Promise<void> {
    const turn = this.#looking.then(look);
    // The next in line waits for this one's end, whichever it is; its caller gets the error.
    this.#looking = turn.catch(() => undefined);
    return turn;
  }
}

export function blocked(): CisternError {
  return new CisternError("content-blocked", "these bytes are blocked by the operator of this cache");
}
