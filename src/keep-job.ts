import { applyKeep } from "./cache/apply-keep.ts";
import type { PolicyInForce } from "./cache/policy-in-force.ts";
import type { Engine } from "./engine.ts";
import type { Job } from "./jobs/schedule.ts";
import { systemClock } from "./telemetry/system-clock.ts";

const LOOK_MS = 5_000;
/** Records come and go, and their content is kept by those that are there. */
const AGAIN_MS = 15 * 60_000;

/** Soon after another policy is in force, and now and then, what is cached is kept as long as it says. */
export function keepJob({ catalog }: Engine, policy: PolicyInForce): Job {
  let applied: { readonly version: number; readonly at: number } | undefined;
  return {
    name: "apply-keep",
    everyMs: LOOK_MS,
    async run(signal) {
      const { version } = policy.current;
      const now = systemClock.monotonic();
      if (applied?.version === version && now - applied.at < AGAIN_MS) return;
      await applyKeep({ scan: catalog.policyScan, policy }, signal);
      applied = { version, at: now };
    },
  };
}
