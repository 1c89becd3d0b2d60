import type { Bench } from "../bench.ts";
import type { ScenarioReport } from "../report.ts";

export interface Scenario {
  /** What `--only` takes. */
  readonly name: string;
  /** Looks inside Cistern: left out when only the peers are measured. */
  readonly needsCistern?: true;
  run(bench: Bench): Promise<ScenarioReport>;
}
