import type { Clock } from "../domain/clock.ts";
import type { ContentLedger, KeepTime } from "../domain/content-catalog.ts";
import type { Sha256 } from "../domain/digest.ts";
import type { CompiledPolicy } from "../domain/policy/compile.ts";
import { longestKeep } from "../domain/policy/content-rules.ts";
import { subjectOf } from "../domain/policy/subject.ts";
import type { PolicyScan, ScannedContent } from "../domain/policy-scan.ts";

export interface KeepTimesPorts {
  readonly scan: Pick<PolicyScan, "contents">;
  readonly ledger: Pick<ContentLedger, "keep">;
  readonly clock: Clock;
  /** The policy in force. */
  policy(): CompiledPolicy;
}

const PAGE = 500;
/** Records come and go, and content that has another record may be kept longer. */
const AGAIN_MS = 3_600_000;

/**
 * Content rules decide how long content stays (`min_age`, `pin_for`, `max_age`), and they may change
 * after it was admitted. Eviction knows of each content only until when it is kept: that is written here.
 */
export class KeepTimes {
  readonly #ports: KeepTimesPorts;
  #applied: { readonly version: number; readonly at: number } | undefined;

  constructor(ports: KeepTimesPorts) {
    this.#ports = ports;
  }

  /** Goes through all contents when the policy is another one than before, and every hour. */
  async apply(signal: AbortSignal): Promise<void> {
    const { clock, scan, ledger } = this.#ports;
    const policy = this.#ports.policy();
    const at = clock.monotonic();
    if (this.#applied?.version === policy.version && at - this.#applied.at < AGAIN_MS) return;
    for (let after: Sha256 | undefined; ; ) {
      signal.throwIfAborted();
      const page = await scan.contents(after, PAGE);
      await ledger.keep(page.map((content) => keepTimeOf(content, policy)));
      after = page.at(-1)?.sha256;
      if (page.length < PAGE) break;
    }
    this.#applied = { version: policy.version, at };
  }
}

function keepTimeOf({ sha256, admittedAt, records }: ScannedContent, policy: CompiledPolicy): KeepTime {
  const rules = records.map(({ artifact, blob }) => policy.contentRules(subjectOf(artifact, blob)));
  const { minAge, pinFor, maxAge } = longestKeep(rules);
  const since = (milliseconds: number | undefined) =>
    milliseconds === undefined ? undefined : new Date(admittedAt.getTime() + milliseconds);
  const keep = Math.max(minAge?.value ?? 0, pinFor?.value ?? 0);
  // Without a record nobody asks for it: it goes by itself.
  const dropAfter = records.length === 0 ? undefined : since(maxAge?.value);
  return { sha256, keepUntil: since(keep === 0 ? undefined : keep), dropAfter };
}
