import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { ObjectName } from "../../domain/content.ts";
import type { Staging } from "../../domain/content-store.ts";
import { CisternError } from "../../domain/errors.ts";
import type { SpoolFile } from "../../domain/spool.ts";
import { s3Unavailable } from "./failure.ts";
import { keyOf } from "./object-key.ts";
import type { PartBuffer, PartBuffers } from "./part-buffers.ts";
import { type Part, PartPlan } from "./part-plan.ts";
import { persist } from "./persist.ts";
import type { S3Session } from "./session.ts";
import { sizeOf } from "./size-of.ts";

/** Parts of one upload that are in memory at the same time. */
const PARTS_AT_ONCE = 2;
/** The spool is read and hashed in pieces, so that no hash holds the event loop for long. */
const PIECE = 1024 * 1024;
/** After a part has failed, the background leaves the server alone for so long. */
const PAUSE_MS = 2_000;
const PART_MS = 10 * 60_000;
const COMPLETE_MS = 5 * 60_000;
const ABORT_MS = 10_000;
const ABORTS = 3;
const ABORT_PAUSE_MS = 100;

interface Sent {
  readonly part: number;
  readonly etag: string;
}

export interface StagingPorts {
  readonly session: S3Session;
  readonly buffers: PartBuffers;
  /** Told of an object that was given up, and that the server may make all the same. */
  onDoubt(key: string): void;
}

/** Sends a spool in parts while it grows. The object comes to be in `commit` alone (I2). */
export class S3Staging implements Staging {
  readonly #session: S3Session;
  readonly #buffers: PartBuffers;
  readonly #onDoubt: (key: string) => void;
  readonly #name: ObjectName;
  readonly #key: string;
  readonly #spool: SpoolFile;
  readonly #size: number | undefined;
  readonly #plan: PartPlan;
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  /** Parts that failed: they go first. */
  readonly #again: Part[] = [];
  readonly #sent: Sent[] = [];
  #available = 0;
  #upload: Promise<string> | undefined;
  #pausedUntil = 0;
  #whole = false;
  #committed = false;
  /** The server has been asked to make the object. */
  #asked = false;
  #failure: { readonly cause: unknown } | undefined;

  constructor(ports: StagingPorts, name: ObjectName, spool: SpoolFile, size: number | undefined) {
    const { session, buffers } = ports;
    this.#session = session;
    this.#buffers = buffers;
    this.#onDoubt = (key) => ports.onDoubt(key);
    this.#name = name;
    this.#key = keyOf(name);
    this.#spool = spool;
    this.#size = size;
    this.#plan = new PartPlan(session.settings.partBytes, buffers.largest, size);
  }

  advance(bytes: number): void {
    this.#available = Math.max(this.#available, bytes);
    if (this.#whole || performance.now() < this.#pausedUntil) return;
    this.#failure = undefined;
    this.#pump();
  }

  async commit(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const abort = () => this.#stop.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      this.#whole = true;
      this.#available = this.#spool.written;
      if (this.#isOnePart) await this.#putWhole();
      else await this.#complete(await this.#sendRest());
      this.#committed = true;
    } catch (error) {
      signal.throwIfAborted();
      throw s3Unavailable(error);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#committed) return;
    if (this.#asked) this.#onDoubt(this.#key);
    this.#stop.abort(new CisternError("fill-cancelled", "the upload was given up"));
    const cut = this.#running.size > 0;
    await Promise.all(this.#running);
    if (this.#upload === undefined) return;
    try {
      await this.#drop(await this.#upload, cut);
    } catch {
      // What cannot be dropped now, `sweep` finds; disposal has nobody to tell.
    }
  }

  /**
   * A part that the server still takes when the upload is aborted may outlive it: then once more.
   * https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html
   */
  async #drop(upload: string, cut: boolean): Promise<void> {
    const signal = AbortSignal.timeout(ABORT_MS);
    const abort = () =>
      this.#session.call(signal, (client, bucket) => client.abortMultipartUpload(bucket, this.#key, upload));
    for (let count = 1; count <= ABORTS; count += 1) {
      await persist(abort, 0, signal);
      if (!cut) return;
      await delay(ABORT_PAUSE_MS, undefined, { signal });
    }
  }

  /** Whether there is more than one part, so that an upload is worth its requests. */
  get #isLarge(): boolean {
    return Math.max(this.#size ?? 0, this.#available) > this.#session.settings.partBytes;
  }

  get #isOnePart(): boolean {
    const begun = this.#upload !== undefined || this.#running.size > 0;
    return !begun && this.#available <= this.#session.settings.partBytes;
  }

  #pump(): void {
    while (this.#running.size < PARTS_AT_ONCE && !this.#stop.signal.aborted && this.#isLarge) {
      const part = this.#again.shift() ?? this.#cut();
      if (part === undefined) return;
      const task: Promise<void> = this.#send(part).then(
        () => this.#done(task),
        (cause) => {
          this.#again.push(part);
          this.#done(task, { cause });
        },
      );
      this.#running.add(task);
    }
  }

  #cut(): Part | undefined {
    try {
      return this.#plan.next(this.#available, this.#whole);
    } catch (cause) {
      this.#failure = { cause };
      return undefined;
    }
  }

  #done(task: Promise<void>, failure?: { readonly cause: unknown }): void {
    this.#running.delete(task);
    if (failure !== undefined) {
      this.#failure = failure;
      this.#pausedUntil = performance.now() + PAUSE_MS;
    }
    if (this.#failure === undefined) this.#pump();
  }

  /** Sends what is left and waits for all parts; what failed in the background is tried again. */
  async #sendRest(): Promise<readonly Sent[]> {
    await Promise.all(this.#running);
    this.#failure = undefined;
    this.#pump();
    while (this.#running.size > 0) await Promise.race(this.#running);
    this.#stop.signal.throwIfAborted();
    this.#throwFailure();
    return this.#sent.toSorted((a, b) => a.part - b.part);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  async #send(part: Part): Promise<void> {
    const { signal } = this.#stop;
    const patience = this.#whole ? this.#session.settings.retryMs : 0;
    const upload = await this.#begin(patience);
    using buffer = await this.#buffers.take(part.length, signal);
    const sha256 = await this.#read(part.offset, buffer);
    const query = `partNumber=${part.number}&uploadId=${encodeURIComponent(upload)}`;
    const put = () => this.#put(buffer.bytes, sha256, query, {});
    const etag = await persist(put, patience, signal);
    this.#sent.push({ part: part.number, etag });
  }

  /**
   * Both first parts wait for one upload. A request for it is not cut short by disposal: an upload
   * whose name is not known cannot be dropped.
   */
  #begin(patience: number): Promise<string> {
    if (this.#upload !== undefined) return this.#upload;
    const lasting = new AbortController().signal;
    const begin = () =>
      this.#session.call(lasting, (client, bucket) =>
        client.initiateNewMultipartUpload(bucket, this.#key, this.#headers()),
      );
    const upload = persist(begin, patience, this.#stop.signal);
    this.#upload = upload;
    upload.catch(() => {
      this.#upload = undefined;
    });
    return upload;
  }

  async #putWhole(): Promise<void> {
    const { signal } = this.#stop;
    using buffer = await this.#buffers.take(this.#available, signal);
    const sha256 = await this.#read(0, buffer);
    const put = () => this.#put(buffer.bytes, sha256, "", this.#headers());
    this.#asked = true;
    await persist(put, this.#session.settings.retryMs, signal);
    await this.#verify();
  }

  /** A lost answer, or one that says no, is decided by whether the object is there. */
  async #complete(parts: readonly Sent[]): Promise<void> {
    const { signal } = this.#stop;
    const upload = await this.#begin(0);
    const complete = async () => {
      try {
        await this.#session.call(
          signal,
          (client, bucket) => client.completeMultipartUpload(bucket, this.#key, upload, [...parts]),
          COMPLETE_MS,
        );
      } catch (error) {
        signal.throwIfAborted();
        if ((await sizeOf(this.#session, this.#key, signal)) !== this.#available) throw error;
      }
    };
    this.#asked = true;
    await persist(complete, this.#session.settings.retryMs, signal);
    await this.#verify();
  }

  async #verify(): Promise<void> {
    const { signal } = this.#stop;
    const look = () => sizeOf(this.#session, this.#key, signal);
    const size = await persist(look, this.#session.settings.retryMs, signal);
    if (size === this.#available) return;
    throw new CisternError("store-unavailable", "the object store did not keep what it was given");
  }

  /** Answers the ETag. */
  async #put(bytes: Buffer, sha256: string, query: string, headers: Record<string, string>): Promise<string> {
    const options = { method: "PUT", objectName: this.#key, query };
    const length = { "content-length": String(bytes.length) };
    return await this.#session.call(
      this.#stop.signal,
      async (client, bucketName) => {
        const request = { ...options, bucketName, headers: { ...headers, ...length } };
        const response = await client.makeRequestStreamAsync(request, bytes, sha256, [200], "");
        for await (const _ of response);
        return (response.headers.etag ?? "").replaceAll('"', "");
      },
      PART_MS,
    );
  }

  /** Fills the buffer from the spool; answers its SHA-256, which the server checks. */
  async #read(from: number, { bytes }: PartBuffer): Promise<string> {
    const hash = createHash("sha256");
    for (let position = 0; position < bytes.length; ) {
      const read = await this.#spool.read(bytes.subarray(position, position + PIECE), from + position);
      if (read === 0) throw new CisternError("store-unavailable", "the spool is shorter than it was");
      hash.update(bytes.subarray(position, position + read));
      position += read;
    }
    return hash.digest("hex");
  }

  #headers(): Record<string, string> {
    return { "content-type": "application/octet-stream", "x-amz-meta-sha256": this.#name.sha256 };
  }
}
