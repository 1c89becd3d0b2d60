import { rmSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CisternContender, type CisternExtras, startCisternContender } from "./contenders/cistern.ts";
import type { Contender, Starter } from "./contenders/contender.ts";
import { startNginxCache, startNginxSlice, startNginxStatic } from "./contenders/nginx.ts";
import { startSquid } from "./contenders/squid.ts";
import { startVarnish } from "./contenders/varnish.ts";
import { BenchOrigin } from "./origin.ts";

const PEERS: ReadonlyMap<string, Starter> = new Map([
  ["nginx lock", startNginxCache],
  ["nginx slice", startNginxSlice],
  ["varnish", startVarnish],
  ["squid", startSquid],
]);

/** Names of everything that caches. */
export const CACHES: readonly string[] = ["cistern", ...PEERS.keys()];

export interface BenchOptions {
  readonly seed: number;
  /** Names among `CACHES` that are left out. */
  readonly without: ReadonlySet<string>;
}

/** What the scenarios of one run share: the origin, the contenders, a temporary directory. */
export class Bench implements AsyncDisposable {
  readonly origin: BenchOrigin;
  readonly directory: string;
  /** Of everything random. */
  readonly seed: number;
  /** Peers whose program this machine lacks. */
  readonly missing = new Set<string>();
  readonly #stack: AsyncDisposableStack;
  readonly #without: ReadonlySet<string>;
  #caches: Promise<readonly Contender[]> | undefined;
  #static: Promise<Contender | undefined> | undefined;
  #started = 0;

  private constructor(origin: BenchOrigin, directory: string, stack: AsyncDisposableStack, options: BenchOptions) {
    this.origin = origin;
    this.directory = directory;
    this.#stack = stack;
    this.seed = options.seed;
    this.#without = options.without;
  }

  static async open(options: BenchOptions): Promise<Bench> {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), "cistern-bench-"));
    // A run that is interrupted leaves no gigabytes behind either.
    const removeNow = () => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    process.once("exit", removeNow);
    stack.defer(async () => {
      await rm(directory, { recursive: true, force: true });
      process.off("exit", removeNow);
    });
    // Squid runs as a user of its own and has to get through.
    await chmod(directory, 0o711);
    const origin = stack.use(await BenchOrigin.start());
    return new Bench(origin, directory, stack.move(), options);
  }

  /** The caching proxies, Cistern first; started at the first use and kept for the run. */
  caches(): Promise<readonly Contender[]> {
    this.#caches ??= this.#startCaches();
    return this.#caches;
  }

  /** The file server that hits are compared with; undefined when it is missing. */
  staticServer(): Promise<Contender | undefined> {
    this.#static ??= this.#startPeer(startNginxStatic);
    return this.#static;
  }

  /** A Cistern of its own for a scenario that looks inside; its data directory is empty unless one is given. */
  async freshCistern(extras: CisternExtras = {}, dataDir?: string): Promise<CisternContender> {
    const { origin, directory } = await this.#surroundings();
    return await startCisternContender({ origin, directory: dataDir ?? directory }, extras);
  }

  async #startCaches(): Promise<readonly Contender[]> {
    const started: Contender[] = [];
    if (!this.#without.has("cistern")) started.push(this.#stack.use(await this.freshCistern()));
    for (const [name, starter] of PEERS) {
      if (this.#without.has(name)) continue;
      const peer = await this.#startPeer(starter);
      if (peer !== undefined) started.push(peer);
    }
    return started;
  }

  /** Starts a peer of a scenario's own; undefined when its program is missing. */
  peer(starter: Starter): Promise<Contender | undefined> {
    return this.#startPeer(starter);
  }

  async #startPeer(starter: Starter): Promise<Contender | undefined> {
    const peer = await starter(await this.#surroundings());
    if (!("missing" in peer)) return this.#stack.use(peer);
    this.missing.add(peer.missing);
    return undefined;
  }

  async #surroundings(): Promise<{ origin: string; directory: string }> {
    this.#started += 1;
    const directory = join(this.directory, String(this.#started));
    await mkdir(directory);
    return { origin: this.origin.url, directory };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
