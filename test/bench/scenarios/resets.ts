import type { Bench } from "../bench.ts";
import { benchBlob, MIB } from "../blob.ts";
import type { Contender } from "../contenders/contender.ts";
import { herd as runHerd } from "../load-program.ts";
import { atMost, type Bar, exactly, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const SIZE = 64 * MIB;
const SHARES = [0.1, 0.5, 0.9];

interface Figures {
  readonly contender: string;
  readonly share: number;
  readonly complete: boolean;
  readonly failure: string;
  readonly requests: number;
  readonly originRatio: number;
}

/** The origin resets its connection half way: the client gets everything, and the origin sends nothing twice. */
export const resets: Scenario = {
  name: "resets",
  async run(bench) {
    const figures: Figures[] = [];
    for (const contender of await bench.caches()) {
      for (const share of SHARES) figures.push(await measure(bench, contender, share));
    }
    return report(figures);
  },
};

async function measure(bench: Bench, contender: Contender, share: number): Promise<Figures> {
  const blob = benchBlob(`reset-${contender.name.replace(" ", "-")}-${share}`, SIZE);
  await bench.origin.setRule(blob.path, { resetAt: [Math.floor(SIZE * share)] });
  const result = await runHerd({ targets: [await contender.target(blob)], timeoutMs: 60_000 });
  const stats = await bench.origin.stats(blob.path);
  return {
    contender: contender.name,
    share,
    complete: result.complete === 1,
    failure: result.failures.join("; "),
    requests: stats.requests,
    originRatio: stats.bytes / SIZE,
  };
}

function report(figures: readonly Figures[]): ScenarioReport {
  const rows = figures.map((one) => [
    one.contender,
    percent(one.share),
    one.complete ? "complete" : "broken",
    String(one.requests),
    `${one.originRatio.toFixed(3)}×`,
    one.failure,
  ]);
  return {
    tables: [
      {
        title: "Origin resets a cold 64 MiB fetch",
        columns: ["", "at", "client", "origin requests", "origin", "why broken"],
        rows,
      },
    ],
    bars: figures.filter(({ contender }) => contender === "cistern").flatMap(barsOf),
  };
}

function barsOf({ share, complete, originRatio }: Figures): readonly Bar[] {
  const name = `reset at ${percent(share)}`;
  return [
    exactly(`${name}: complete and right`, 1, complete ? 1 : 0),
    atMost(`${name}: origin bytes ÷ size`, 1.02, originRatio, "×", 4),
  ];
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
