import { type CisternProcess, startCistern } from "../../support/cistern-process.ts";
import { registerImage } from "../../support/register-image.ts";
import type { BenchBlob } from "../blob.ts";
import type { Target } from "../load-program.ts";
import type { Contender, Surroundings } from "./contender.ts";

export interface CisternContender extends Contender {
  readonly process: CisternProcess;
  /** Registers with these digests of the blob alone. */
  register(blob: BenchBlob, digests: readonly ("md5" | "sha256" | "sha512")[]): Promise<Target>;
}

export interface CisternExtras {
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArguments?: readonly string[];
}

/** Cistern as it is started by `npm start`, except that it writes no line per request: its peers do not either. */
export async function startCisternContender(
  { origin, directory }: Surroundings,
  extras: CisternExtras = {},
): Promise<CisternContender> {
  const process = await startCistern({
    dataDir: directory,
    env: { CISTERN_LOG_LEVEL: "warn", ...extras.env },
    ...(extras.nodeArguments === undefined ? {} : { nodeArguments: extras.nodeArguments }),
  });
  const headers = { "X-Auth-Token": process.adminToken };
  const register: CisternContender["register"] = async (blob, digests) => {
    const all = await blob.digests();
    const recorded = Object.fromEntries(digests.map((algorithm) => [algorithm, all[algorithm]]));
    const image = await registerImage(process, `${blob.seed}-${blob.size}`, { url: origin + blob.path, ...recorded });
    return { url: image.url, headers, seed: blob.seed, size: blob.size };
  };
  return {
    name: "cistern",
    pid: process.pid,
    process,
    register,
    target: (blob) => register(blob, ["sha256"]),
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
