import { offlineBound } from "./optimum.ts";
import { POLICIES, type PolicyName } from "./policies.ts";
import { type HitRatio, simulate } from "./simulate.ts";
import { type Extent, footprint, replacements, type Trace, traces } from "./traces.ts";

/** Cache sizes, as shares of the bytes that a trace asks for. */
const SIZES = [0.01, 0.05, 0.1, 0.25] as const;

/** Means over the seeds. */
export interface Figure {
  readonly trace: string;
  /** One of `SIZES`. */
  readonly size: number;
  readonly ratios: ReadonlyMap<PolicyName, HitRatio>;
  /** Byte-hit ratio that no policy can pass; takes a while. */
  bound(): number;
}

/** Runs the policies through every trace of every seed, at every size. */
export function measure(names: readonly PolicyName[], seeds: readonly number[], extent: Extent): readonly Figure[] {
  const runs = seeds.map((seed) => [...traces(seed, extent), replacements(seed, extent)]);
  const [first = []] = runs;
  return first.flatMap(({ name }) => {
    const same = runs.flatMap((run) => run.filter((trace) => trace.name === name));
    return SIZES.map((size) => figure(name, size, same, names));
  });
}

function figure(trace: string, size: number, runs: readonly Trace[], names: readonly PolicyName[]): Figure {
  const limits = runs.map((run) => size * footprint(run));
  const ratios = names.map((name): [PolicyName, HitRatio] => {
    const each = runs.map((run, at) => simulate(run, limits[at] ?? 0, POLICIES[name]));
    return [name, { bytes: mean(each.map(({ bytes }) => bytes)), requests: mean(each.map((one) => one.requests)) }];
  });
  const bound = () => mean(runs.map((run, at) => offlineBound(run, limits[at] ?? 0)));
  return { trace, size, ratios: new Map(ratios), bound };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
