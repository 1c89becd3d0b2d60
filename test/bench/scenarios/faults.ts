import { createHash } from "node:crypto";
import { type Behaviour, bytesAt, digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";
import { registerImage } from "../../support/register-image.ts";
import type { Bench } from "../bench.ts";
import type { CisternContender } from "../contenders/cistern.ts";
import { drawPlan, type FaultPlan } from "../faults/draw-plan.ts";
import { seededRandom } from "../faults/random.ts";
import { type ClientOutcome, download } from "../faults/resuming-client.ts";
import { hashStoredObjects } from "../faults/stored-objects.ts";
import { exactly, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const FETCHES = 2_000;
const AT_ONCE = 128;
const CLIENT_TIMEOUT_MS = 6_000;
const TIME_LIMIT_MS = 300_000;

interface Tally {
  fetches: number;
  clients: number;
  complete: number;
  broken: number;
  refused: number;
  /** Taken for complete with wrong bytes, told with what led to it. */
  readonly wrong: string[];
  /** Broken bodies that ended with FIN. */
  readonly lenient: string[];
  readonly expected: Set<string>;
}

/** Origins that fail at random: whatever a client takes for complete is right, and so is whatever is kept. */
export const faults: Scenario = {
  name: "faults",
  needsCistern: true,
  run: measure,
};

async function measure(bench: Bench): Promise<ScenarioReport> {
  const seed = bench.seed;
  const random = seededRandom(seed);
  const plans = Array.from({ length: FETCHES }, () => drawPlan(random));
  const tally: Tally = {
    fetches: 0,
    clients: 0,
    complete: 0,
    broken: 0,
    refused: 0,
    wrong: [],
    lenient: [],
    expected: new Set(),
  };
  await using origin = await startFaultOrigin({ host: "0.0.0.0" });
  await using cistern = await bench.freshCistern({
    env: { CISTERN_STALL_TIMEOUT: "PT1S", CISTERN_HEADERS_TIMEOUT: "PT2S", CISTERN_LOG_LEVEL: "silent" },
  });
  const until = performance.now() + TIME_LIMIT_MS;
  let next = 0;
  const work = async () => {
    for (let number = next++; number < FETCHES && performance.now() < until; number = next++) {
      const plan = plans[number];
      if (plan !== undefined) await fetchFaulty(cistern, origin, number, plan, tally);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  await cistern.process.kill("SIGTERM");
  return await report(seed, cistern.process.dataDir, tally);
}

async function fetchFaulty(
  cistern: CisternContender,
  origin: FaultOrigin,
  number: number,
  plan: FaultPlan,
  tally: Tally,
): Promise<void> {
  const content = { size: plan.size, seed: number };
  const record = recordOf(plan, content);
  // Addresses of their own: a source that fails must not put the others into back-off.
  const serve = (path: string, network: number, behaviours: readonly Behaviour[]) => {
    origin.serve(
      path,
      content,
      ...behaviours.map((one) => (one.redirect === undefined ? one : { ...one, redirect: `${path}?hop` })),
    );
    const url = origin.url(path, `127.${network}.${Math.floor(number / 250)}.${(number % 250) + 1}`);
    return { url, ...record };
  };
  const location = serve(`/fault/${number}`, 1, plan.behaviours);
  const mirrors = plan.mirror === undefined ? {} : { second: serve(`/mirror/${number}`, 2, plan.mirror) };
  const image = await registerImage(cistern.process, `fault-${number}`, location, mirrors);
  tally.expected.add(digestOf(content, "sha256"));
  const headers = { "X-Auth-Token": cistern.process.adminToken };
  const outcomes = await Promise.all(
    plan.clients.map((kind, client) =>
      download(kind, plan.size, {
        url: new URL(image.url),
        headers,
        timeoutMs: CLIENT_TIMEOUT_MS,
        // A host of its own for each client, as in real life: what one knows of a broken body is not another's.
        localAddress: `127.${10 + client}.${Math.floor(number / 250)}.${(number % 250) + 1}`,
      }),
    ),
  );
  tally.fetches += 1;
  for (const outcome of outcomes) judge(outcome, content, describe(number, plan, outcome), tally);
}

function recordOf({ recorded }: FaultPlan, content: { size: number; seed: number }): Record<string, string | number> {
  if (recorded === "nothing") return {};
  if (recorded === "sha256+size") return { sha256: digestOf(content, "sha256"), size: content.size };
  return { [recorded]: digestOf(content, recorded) };
}

function judge(
  outcome: ClientOutcome,
  content: { size: number; seed: number },
  description: string,
  tally: Tally,
): void {
  tally.clients += 1;
  if (outcome.endedWithFin) tally.lenient.push(description);
  if (!outcome.complete) {
    tally[outcome.file.length > 0 ? "broken" : "refused"] += 1;
    return;
  }
  tally.complete += 1;
  const right = bytesAt(content, outcome.from, content.size);
  if (sha256(outcome.file) !== sha256(right)) tally.wrong.push(description);
}

function describe(number: number, plan: FaultPlan, { kind, statuses, file }: ClientOutcome): string {
  const { size, recorded, behaviours, mirror, clients } = plan;
  return JSON.stringify({ number, kind, statuses, got: file.length, size, recorded, behaviours, mirror, clients });
}

async function report(seed: number, dataDir: string, tally: Tally): Promise<ScenarioReport> {
  const objects = await hashStoredObjects(dataDir);
  const wrongObjects = objects.filter(({ named, found }) => named !== found || !tally.expected.has(found));
  const examples = [...tally.wrong, ...tally.lenient, ...wrongObjects.map(({ path }) => path)].slice(0, 20);
  return {
    tables: [
      {
        title: `Randomised faulty fetches (seed ${seed})`,
        columns: ["fetches", "clients", "complete", "broken", "refused", "objects kept"],
        rows: [[tally.fetches, tally.clients, tally.complete, tally.broken, tally.refused, objects.length].map(String)],
      },
      ...(examples.length === 0 ? [] : [{ title: "Wrong", columns: ["what"], rows: examples.map((one) => [one]) }]),
    ],
    bars: [
      exactly("faults: fetches made", FETCHES, tally.fetches),
      exactly("faults: complete responses with wrong bytes", 0, tally.wrong.length),
      exactly("faults: broken responses that end with FIN", 0, tally.lenient.length),
      exactly("faults: wrong objects in the store", 0, wrongObjects.length),
    ],
  };
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
