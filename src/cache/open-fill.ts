import type { Clock } from "../domain/clock.ts";
import type { ContentRecord } from "../domain/content.ts";
import type { Fill } from "./fill.ts";
import type { FillRegistry } from "./fill-registry.ts";
import { Follower } from "./follow.ts";
import { refuseLongWait } from "./long-wait.ts";
import type { OpenReaders } from "./open-readers.ts";
import type { BlobFacts, BlobRequest, OpenedBlob, Outcome } from "./opened-blob.ts";
import type { ReadBudget } from "./read-budget.ts";
import { callerOf, refuseWrongHead, type Selection, satisfiable, select, startOf } from "./selection.ts";
import type { Tombstones } from "./tombstones.ts";

export interface OpenFillPorts {
  readonly fills: Pick<FillRegistry, "find" | "start">;
  readonly tombstones: Pick<Tombstones, "check">;
  readonly readers: OpenReaders;
  readonly budget: ReadBudget;
  readonly clock: Pick<Clock, "monotonic">;
}

export interface FillChoice {
  /** Whether this request causes the content to be kept. */
  readonly keep: boolean;
  /** Admitted content that the store does not deliver now. */
  readonly around: ContentRecord | undefined;
}

/** Bodies up to this size are sent after the verdict: a mismatch is then a plain 502. */
const SMALL = 1024 * 1024;
/** How long a client waits for an origin to answer at all. */
const OPEN_MS = 60_000;
const VERDICT_MS = 600_000;

/** Follows the fill that brings a blob's bytes here, or starts it. The signal ends the waiting, not the fill. */
export async function openFill(
  request: BlobRequest,
  facts: BlobFacts,
  { keep, around }: FillChoice,
  ports: OpenFillPorts,
  signal: AbortSignal,
): Promise<OpenedBlob> {
  const { fills } = ports;
  const { resolved } = facts;
  const offset = startOf(request.range);
  const running = fills.find(resolved, offset);
  // After the verdict the bytes are here and proven: admission alone is still under way.
  const outcome = running === undefined ? "fill" : running.verdict === undefined ? "follow" : "hit";
  const fill = running ?? fills.start(resolved, keep, around);
  // A fill that was begun for a request in mode `proxy`, and is joined by one that may cause keeping.
  if (keep) fill.keep();
  // Joined before the first wait: a fill in a window of memory keeps what its readers need.
  using _place = new Follower(fill, offset, undefined, ports.budget, callerOf(request));
  await fill.until(() => (fill.opened ? true : undefined), OPEN_MS, signal);
  const selection = await selectFrom(fill, request, facts, ports, signal);
  if (selection !== undefined) refuseLongWait(fill, selection.range, ports.clock.monotonic());
  return bodyOf(fill, request, facts, outcome, selection, ports);
}

/** What of the fill's bytes is sent; undefined: all of them, and nobody knows yet how many. */
async function selectFrom(
  fill: Fill,
  request: BlobRequest,
  facts: BlobFacts,
  ports: OpenFillPorts,
  signal: AbortSignal,
): Promise<Selection | undefined> {
  const passed = () => fill.verdict;
  const unknown = fill.total === undefined;
  const small = fill.total !== undefined && fill.total <= SMALL;
  if (small || (unknown && !request.takesChunks)) await fill.until(passed, VERDICT_MS, signal);
  // Checked here and not before: only now is it known whether the fill goes on with the caller's bytes.
  refuseWrongHead(request, ports.tombstones);
  if (fill.total === undefined) return undefined;
  const selection = select(request, facts, fill.total);
  if (selection !== undefined) return selection;
  // Only a verified size may say that a range lies outside.
  const { size } = await fill.until(passed, VERDICT_MS, signal);
  return satisfiable(request, facts, size, ports.tombstones);
}

function bodyOf(
  fill: Fill,
  request: BlobRequest,
  facts: BlobFacts,
  outcome: Outcome,
  selection: Selection | undefined,
  { readers, budget }: OpenFillPorts,
): OpenedBlob {
  const { range, partial = false } = selection ?? {};
  const caller = callerOf(request);
  const follower = new Follower(fill, range?.start ?? 0, range?.end, budget, caller);
  const body = readers.watch(follower, request.ref, caller, () => ({
    sha256: fill.verdict?.digests.sha256 ?? fill.plan.digests.sha256,
    object: undefined,
  }));
  const known = { ...facts, digests: { ...fill.verdict?.digests, ...facts.digests } };
  const verified = fill.verdict !== undefined;
  return { kind: "body", facts: known, outcome, size: fill.total, range, partial, verified, body };
}
