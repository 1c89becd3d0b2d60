import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const SOURCE = fileURLToPath(new URL("./load", import.meta.url));
const BUILD = fileURLToPath(new URL("./.build", import.meta.url));

/** The compiled load program. */
export const LOAD = `${BUILD}/load`;

/** Builds the load program; cheap when nothing changed. Rejects with the compiler's output. */
export async function buildLoad(): Promise<void> {
  await mkdir(BUILD, { recursive: true });
  try {
    await run("go", ["build", "-o", LOAD, "."], { cwd: SOURCE, env: { ...process.env, GOFLAGS: "-mod=mod" } });
  } catch (error) {
    throw new Error("the load program needs Go 1.23 or newer to build (Debian: apt install golang)", { cause: error });
  }
}

/** One URL to fetch, and the content that must come. */
export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly seed: string;
  readonly size: number;
}

export interface HerdOptions {
  readonly targets: readonly Target[];
  readonly clients?: number;
  /** The first client disconnects after so many bytes. */
  readonly leaderLeavesAt?: number;
  readonly slow?: number;
  /** Bytes per second. */
  readonly slowRate?: number;
  readonly stalled?: number;
  readonly settleMs?: number;
  /** An origin that holds `release` until every client has asked. */
  readonly origin?: string;
  readonly release?: readonly string[];
  /** All clients are cut off so long after the release, whatever they have. */
  readonly cutAllAtMs?: number;
  readonly timeoutMs?: number;
}

/** Times are nanoseconds of the wall clock, 0: never. */
interface HerdClient {
  readonly role: "leader" | "leaver" | "slow" | "stalled" | "follower";
  readonly target: number;
  readonly status: number;
  readonly bytes: number;
  readonly complete: boolean;
  readonly failure?: string;
  readonly sentAt: number;
  readonly firstByteAt: number;
  readonly doneAt: number;
}

export interface HerdResult {
  /** Clients that got every byte, each compared with the content. */
  readonly complete: number;
  readonly failed: number;
  readonly failures: readonly string[];
  readonly bytes: number;
  readonly releasedAt: number;
  readonly clients: readonly HerdClient[];
}

export interface HitsOptions {
  readonly targets: readonly Target[];
  readonly connections: number;
  readonly seconds: number;
  readonly threads?: number;
}

export interface HitsResult {
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly failed: number;
  readonly failure?: string;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface Digests {
  readonly md5: string;
  readonly sha256: string;
  readonly sha512: string;
}

export function herd(options: HerdOptions): Promise<HerdResult> {
  return load("herd", options);
}

export function hits(options: HitsOptions): Promise<HitsResult> {
  return load("hits", options);
}

/** Digests of the content; `out` writes it to a file as well. */
export function blobDigests(options: { seed: string; size: number; out?: string }): Promise<Digests> {
  return load("blob", options);
}

// The load program is ours and refuses options it does not know: what it prints has the shape that is named here.
async function load<Result>(command: string, options: object): Promise<Result> {
  const { stdout } = await run(LOAD, [command, JSON.stringify(options)], { maxBuffer: 64 << 20, timeout: 300_000 });
  return JSON.parse(stdout);
}
