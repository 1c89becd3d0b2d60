import type { ContentAccount } from "../domain/content-catalog.ts";
import { originOf } from "../domain/location.ts";
import type { Fill } from "./fill.ts";

/** On whose account the content of a fill is kept: the record's that caused it, and the host's that delivers. */
export function accountOf(fill: Fill): ContentAccount {
  const [first] = fill.records.values();
  const url = fill.origin?.url ?? fill.plan.sources[0]?.url;
  return { project: first?.owner ?? "", origin: url === undefined ? "" : originOf(url) };
}
