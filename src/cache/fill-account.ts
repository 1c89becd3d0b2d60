import type { ContentAccount } from "../domain/content-catalog.ts";
import { originOf } from "../domain/location.ts";
import type { Fill } from "./fill.ts";

/**
 * On whose account the content of a fill is kept, and how long: the project's whose record caused it,
 * and the host's that delivers.
 */
export function accountOf(fill: Fill): ContentAccount {
  const { rules, sources } = fill.plan;
  const [first] = fill.records.values();
  const url = fill.origin?.url ?? sources[0]?.url;
  const keepMs = Math.max(rules?.minAge?.value ?? 0, rules?.pinFor?.value ?? 0);
  return {
    project: first?.owner ?? "",
    origin: url === undefined ? "" : originOf(url),
    ...(keepMs === 0 ? {} : { keepMs }),
    ...(rules?.maxAge === undefined ? {} : { dropMs: rules.maxAge.value }),
  };
}
