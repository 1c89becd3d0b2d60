import type { ContentAccount } from "../domain/content-catalog.ts";
import { originOf } from "../domain/location.ts";
import { safeUntil } from "../domain/policy/content-rules.ts";
import type { Fill } from "./fill.ts";

/**
 * On whose account the content of a fill is kept, and how long: the project's whose record caused it,
 * and the host's that delivers.
 */
export function accountOf(fill: Fill): ContentAccount {
  const { rules, sources } = fill.plan;
  const safe = rules === undefined ? undefined : safeUntil(rules);
  const [first] = fill.records.values();
  const url = fill.origin?.url ?? sources[0]?.url;
  return {
    project: first?.owner ?? "",
    origin: url === undefined ? "" : originOf(url),
    ...(safe === undefined ? {} : { keepMs: safe.value }),
    ...(rules?.maxAge === undefined ? {} : { dropMs: rules.maxAge.value }),
  };
}
