import type { Clock } from "../domain/clock.ts";
import { type Algorithm, hasAnyDigest } from "../domain/digest.ts";
import { CisternError, isCisternError } from "../domain/errors.ts";
import type { Hasher, Hashing } from "../domain/hasher.ts";
import type { Validator } from "../domain/source.ts";
import type { Spool, SpoolFile, SpoolRemains } from "../domain/spool.ts";
import { type Fill, WINDOW } from "./fill.ts";
import type { FillPlan } from "./fill-plan.ts";

const CHECKPOINT_EVERY = 8 * 1024 * 1024;
const REHASH_READ = 1024 * 1024;
/** How long a reader may hold the window back when there is no disk space. */
const WINDOW_PATIENCE_MS = 10_000;

export interface IngestPorts {
  readonly spool: Spool;
  readonly hasher: Hasher;
  readonly clock: Clock;
  /** Whether bytes that find no disk space may pass through without being kept. */
  mayPass(): boolean;
}

/**
 * Takes a fill's bytes in: hashes and spools them, keeps resume points, and when the disk is full
 * lets them through a window of memory instead.
 */
export class Ingest {
  readonly #fill: Fill;
  readonly #ports: IngestPorts;
  readonly #signal: AbortSignal;
  #hashing: Hashing;
  #file: SpoolFile | undefined;
  #begun: Promise<void> = Promise.resolve();
  #checkpointed = 0;
  #checkpoint: Promise<void> | undefined;
  /** SHA-256 of everything, once that was asked for: then there is no other any more. */
  #whole: string | undefined;
  /** Told how many bytes of the spool can be read, whenever more have come. */
  onSpooled: ((bytes: number) => void) | undefined;
  /** Asked for room in the store when bytes up to `end` have come; undefined: there is some, or none is wanted. */
  onBytes: ((end: number) => Promise<void> | undefined) | undefined;

  private constructor(fill: Fill, ports: IngestPorts, signal: AbortSignal) {
    this.#fill = fill;
    this.#ports = ports;
    this.#signal = signal;
    this.#hashing = ports.hasher.start(algorithms(fill.plan));
  }

  /** Goes on with what an earlier run left, when that is sound, else begins at 0. */
  static async begin(fill: Fill, ports: IngestPorts, signal: AbortSignal): Promise<Ingest> {
    const ingest = new Ingest(fill, ports, signal);
    try {
      const remains = await ports.spool.reopen(fill.plan.key);
      if (remains !== undefined && (await ingest.#resume(remains))) return ingest;
      await ingest.#create();
      return ingest;
    } catch (error) {
      ingest.#hashing.abandon();
      throw error;
    }
  }

  /** The location whose bytes are spooled, and what tells that it still has the same. */
  get url(): string | undefined {
    return this.#fill.origin?.url;
  }

  get validator(): Validator | undefined {
    return this.#fill.origin?.validator;
  }

  /** undefined: there was no disk space for one. */
  get file(): SpoolFile | undefined {
    return this.#file;
  }

  /** SHA-256 of the bytes so far. */
  prefix(): Promise<string> {
    return this.#hashing.prefix();
  }

  /** Notes which location the next bytes come from; its writing goes on beside the first bytes. */
  from(url: string, validator: Validator | undefined): void {
    this.#fill.comesFrom({ url, validator });
    if (this.#file === undefined) return;
    const { key } = this.#fill.plan;
    const header = { key, url, validator, size: this.#fill.total };
    const begun = this.#ports.spool.begin(this.#file, header);
    // Whoever needs it written waits for it and hears of it; nobody may.
    begun.catch(() => undefined);
    this.#begun = begun;
  }

  /** Takes the next bytes. undefined: go on at once; a promise: wait for it (back-pressure). */
  take(chunk: Uint8Array): Promise<void> | undefined {
    const { total, mark } = this.#fill;
    if (total !== undefined && mark + chunk.length > total) {
      throw new CisternError("size-mismatch", "the origin delivers more bytes than recorded or announced");
    }
    const hashed = this.#hashing.update(chunk, total === undefined ? undefined : total - mark - chunk.length);
    const spooled = this.#fill.windowed ? undefined : this.#file?.append(chunk);
    const room = this.onBytes?.(mark + chunk.length);
    this.#fill.push(chunk);
    if (this.#file !== undefined) this.onSpooled?.(this.#file.written);
    this.#checkpointSometimes();
    if (hashed === undefined && spooled === undefined && room === undefined && !this.#fill.windowed) return undefined;
    return this.#settle(hashed, spooled, room);
  }

  /** The digests of everything. */
  async finish(): ReturnType<Hashing["finish"]> {
    const digests = await this.#hashing.finish();
    this.#whole = digests.sha256;
    return digests;
  }

  /** Makes everything durable; undefined when there was no disk space to keep it. */
  async seal(): Promise<SpoolFile | undefined> {
    await this.#checkpoint;
    if (this.#file === undefined || this.#fill.windowed) return undefined;
    await this.#file.seal();
    return this.#file;
  }

  /** Ends it so that a later run can go on from here; discards what cannot be resumed. */
  async park(): Promise<void> {
    const file = this.#file;
    const resumable = hasAnyDigest(this.#fill.plan.digests) || this.validator !== undefined;
    // Nobody could tell that nothing is missing of it.
    const endless = this.#whole !== undefined && this.#fill.total === undefined;
    if (file === undefined || this.#fill.windowed || this.#fill.mark === 0 || !resumable || endless) {
      return this.discard();
    }
    await this.#checkpoint;
    await this.#begun;
    await this.#ports.spool.checkpoint(file, this.#fill.mark, this.#whole ?? (await this.#hashing.prefix()));
    this.#hashing.abandon();
    await this.#fill.finishSpool();
  }

  /** Drops the bytes; readers that hold them open are not disturbed. */
  async discard(): Promise<void> {
    this.#hashing.abandon();
    await this.#checkpoint;
    await Promise.allSettled([this.#begun]);
    await this.#file?.discard();
    await this.#fill.finishSpool();
  }

  async #create(): Promise<void> {
    try {
      this.#file = await this.#ports.spool.create(this.#fill.plan.size ?? 0);
    } catch (error) {
      if (!isCisternError(error, "spool-full")) throw error;
      if (!this.#ports.mayPass()) {
        const cause = error;
        throw new CisternError("too-busy", "the disk is full and enough fetches pass through already", {
          cause,
          retryAfter: 30,
        });
      }
    }
    this.#fill.begin(this.#file, 0);
  }

  /** Hashes the spooled prefix again, for the state of a hash cannot be saved. */
  async #resume(remains: SpoolRemains): Promise<boolean> {
    const { file, header, checkpoint } = remains;
    const { plan } = this.#fill;
    const known = plan.sources.some((source) => source.url === header.url);
    const sizeFits = plan.size === undefined || header.size === undefined || plan.size === header.size;
    if (sizeFits && (known || hasAnyDigest(plan.digests))) {
      await this.#rehash(file, checkpoint.offset);
      if ((await this.#hashing.prefix()) === checkpoint.sha256) {
        this.#file = file;
        this.#fill.comesFrom({ url: header.url, validator: header.validator });
        this.#checkpointed = checkpoint.offset;
        this.#fill.begin(file, checkpoint.offset);
        return true;
      }
    }
    this.#hashing.abandon();
    this.#hashing = this.#ports.hasher.start(algorithms(plan));
    await file.discard();
    await file[Symbol.asyncDispose]();
    return false;
  }

  async #rehash(file: SpoolFile, until: number): Promise<void> {
    for (let offset = 0; offset < until; ) {
      this.#signal.throwIfAborted();
      const buffer = Buffer.allocUnsafeSlow(Math.min(REHASH_READ, until - offset));
      const read = await file.read(buffer, offset);
      if (read === 0) return;
      await this.#hashing.update(buffer.subarray(0, read));
      offset += read;
    }
  }

  #checkpointSometimes(): void {
    const { mark } = this.#fill;
    if (this.#checkpoint !== undefined || mark - this.#checkpointed < CHECKPOINT_EVERY) return;
    if (this.#file === undefined || this.#fill.windowed) return;
    this.#checkpointed = mark;
    this.#checkpoint = this.#note(this.#file, mark).finally(() => {
      this.#checkpoint = undefined;
    });
  }

  /** In the background: a resume point that cannot be noted costs a refetch after a crash, nothing more. */
  async #note(file: SpoolFile, offset: number): Promise<void> {
    try {
      // Asked for at once: more bytes come while the header is being written.
      const [prefix] = await Promise.all([this.#hashing.prefix(), this.#begun]);
      await this.#ports.spool.checkpoint(file, offset, prefix);
    } catch (error) {
      if (!(error instanceof CisternError)) throw error;
    }
  }

  async #settle(
    hashed: Promise<void> | undefined,
    spooled: Promise<void> | undefined,
    room: Promise<void> | undefined,
  ): Promise<void> {
    // What fails here is told below; nobody may be waiting for it when the spool fails first.
    room?.catch(() => undefined);
    try {
      await spooled;
    } catch (error) {
      if (!isCisternError(error, "spool-full")) throw error;
      this.#fill.becomeWindowed();
    }
    await hashed;
    await room;
    if (this.#fill.windowed) await this.#slideWindow();
  }

  /** Waits for readers that would lose bytes, but not for ever; without readers there is no reason to go on. */
  async #slideWindow(): Promise<void> {
    const fill = this.#fill;
    const deadline = this.#ports.clock.monotonic() + WINDOW_PATIENCE_MS;
    while (fill.mark - fill.recentStart > WINDOW) {
      if (fill.readers.size === 0) throw new CisternError("spool-full", "there is no disk space to keep the bytes");
      const start = fill.mark - WINDOW;
      const behind = [...fill.readers].filter((reader) => reader.position < start);
      if (behind.length > 0 && this.#ports.clock.monotonic() < deadline) {
        await this.#ports.clock.sleep(20, this.#signal);
        continue;
      }
      for (const reader of behind) reader.cut(new CisternError("too-busy", "too slow while the disk is full"));
      fill.dropBefore(start);
      return;
    }
  }
}

/** sha256 always; what is recorded, to check it; md5 and sha512 for images, whose clients verify them. */
function algorithms(plan: FillPlan): Algorithm[] {
  const wanted = new Set<Algorithm>(["sha256"]);
  for (const name of ["md5", "sha1", "sha512"] as const) if (plan.digests[name] !== undefined) wanted.add(name);
  if (plan.image) wanted.add("md5").add("sha512");
  return [...wanted];
}
