import { contradiction, type Digests } from "../domain/digest.ts";
import { CisternError, type ErrorCode } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";
import { maskUrl } from "../domain/location.ts";
import type { Fill } from "./fill.ts";
import type { Verdict } from "./fill-plan.ts";
import type { Ingest } from "./ingest.ts";
import type { SourceHealth } from "./source-health.ts";

export interface VerifyPorts {
  readonly health: SourceHealth;
  readonly events: Events;
}

/** With these a fill has turned out to be of wrong bytes: what was given out of it is worth nothing. */
export const WRONG_BYTES: ReadonlySet<ErrorCode> = new Set(["digest-mismatch", "size-mismatch", "content-changed"]);

/** What the bytes must have. */
export interface Expected {
  readonly digests: Digests;
  /** Bytes. */
  readonly size: number | undefined;
}

/** What was found of all bytes of a fill; throws `digest-mismatch` or `size-mismatch`. */
export async function foundIn(fill: Fill, ingest: Ingest, ...expected: readonly Expected[]): Promise<Verdict> {
  const verdict = { digests: await ingest.finish(), size: fill.mark };
  for (const { digests, size } of expected) {
    const wrong = contradiction(digests, verdict.digests);
    if (wrong !== undefined)
      throw mismatch("digest-mismatch", `the content does not have the recorded ${wrong}`, verdict);
    if (size !== undefined && size !== verdict.size) {
      throw mismatch("size-mismatch", `the content has ${verdict.size} bytes, ${size} are recorded`, verdict);
    }
  }
  return verdict;
}

/** Compares size and every recorded digest; a mismatch counts against the location that delivered. */
export async function verify(fill: Fill, ingest: Ingest, ports: VerifyPorts): Promise<Verdict> {
  const { plan } = fill;
  const location = plan.sources.find((source) => source.url === ingest.url);
  // What takes the place of admitted content must be that content.
  const around = plan.around === undefined ? [] : [plan.around];
  try {
    const verdict = await foundIn(fill, ingest, plan, ...around);
    if (location !== undefined) ports.health.passed(plan.domain, location);
    return verdict;
  } catch (error) {
    if (!(error instanceof Mismatch) || location === undefined) throw error;
    ports.health.failed(plan.domain, location, error);
    const recorded = plan.digests.sha256 ?? JSON.stringify({ ...plan.digests, size: plan.size });
    ports.events.emit({ kind: "content-changed", url: maskUrl(location.url), recorded, found: error.found });
    throw error;
  }
}

class Mismatch extends CisternError {
  readonly found: string;

  constructor(code: "digest-mismatch" | "size-mismatch", message: string, verdict: Verdict) {
    super(code, message);
    this.found = `${verdict.digests.sha256}, ${verdict.size} bytes`;
  }
}

function mismatch(code: "digest-mismatch" | "size-mismatch", message: string, verdict: Verdict): Mismatch {
  return new Mismatch(code, message, verdict);
}
