import type { ObjectName } from "../../domain/content.ts";
import type { ContentStore, ListedObject, Staging, StoredObject } from "../../domain/content-store.ts";
import type { SpoolFile } from "../../domain/spool.ts";
import { S3Failure, s3Unavailable } from "./failure.ts";
import { Leftovers } from "./leftovers.ts";
import { keyOf, nameOfKey, OBJECTS } from "./object-key.ts";
import { PartBuffers } from "./part-buffers.ts";
import { persist } from "./persist.ts";
import { S3Object } from "./s3-object.ts";
import type { S3Reader } from "./s3-reader.ts";
import type { S3Session } from "./session.ts";
import { Silence } from "./silence.ts";
import { sizeOf } from "./size-of.ts";
import { S3Staging } from "./staging.ts";

const PAGE = 1000;

/** Verified content in a bucket, `sha256/ab/cd/<hex>/<fence>`. Any number of replicas share it. */
export class S3Store implements ContentStore, AsyncDisposable {
  readonly session: S3Session;
  readonly #reader: S3Reader;
  readonly #buffers: PartBuffers;
  readonly #stop = new AbortController();
  readonly #silence: Silence;
  readonly #leftovers: Leftovers;

  constructor(session: S3Session, reader: S3Reader) {
    this.session = session;
    this.#reader = reader;
    this.#buffers = new PartBuffers(session.settings.uploadBytes);
    this.#silence = new Silence((signal) => this.#hasBucket(signal));
    this.#leftovers = new Leftovers((key, signal) => this.#removeKey(key, signal));
  }

  async open(name: ObjectName, size: number): Promise<StoredObject | undefined> {
    const { signal } = this.#stop;
    const key = keyOf(name);
    try {
      this.#silence.throwIfLasting();
      const version = await persist(() => this.#reader.look(key, signal), 0, signal);
      return version?.size === size ? new S3Object(version, this.#reader, this.session.settings) : undefined;
    } catch (error) {
      this.#silence.note(error);
      throw s3Unavailable(error);
    }
  }

  /** Bytes of an object whose row is lost; undefined: certainly absent. `store-unavailable`. */
  async sizeOf(name: ObjectName, signal: AbortSignal): Promise<number | undefined> {
    try {
      return await persist(() => sizeOf(this.session, keyOf(name), signal), 0, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw s3Unavailable(error);
    }
  }

  stage(name: ObjectName, spool: SpoolFile, size: number | undefined): Staging {
    this.#leftovers.forget(keyOf(name));
    const onDoubt = (key: string) => this.#leftovers.add(key);
    return new S3Staging({ session: this.session, buffers: this.#buffers, onDoubt }, name, spool, size);
  }

  /**
   * MinIO tells only of uploads that began at this server since it started, and drops the others by
   * itself (after 24 h, `api stale_uploads_expiry`).
   */
  async sweep(olderThan: Date, signal: AbortSignal): Promise<number> {
    let swept = 0;
    try {
      for await (const { key, uploadId } of this.#staleUploads(olderThan, signal)) {
        if (await this.#abortUpload(key, uploadId, signal)) swept += 1;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw s3Unavailable(error);
    }
    return swept;
  }

  async ping(signal: AbortSignal): Promise<void> {
    try {
      this.#silence.throwIfLasting();
      if (!(await persist(() => this.#hasBucket(signal), 0, signal))) {
        throw new S3Failure("HEAD", 404, "NoSuchBucket");
      }
    } catch (error) {
      this.#silence.note(error);
      signal.throwIfAborted();
      throw s3Unavailable(error);
    }
  }

  async remove(name: ObjectName): Promise<void> {
    const { signal } = this.#stop;
    try {
      await this.#removeKey(keyOf(name), signal);
    } catch (error) {
      throw s3Unavailable(error);
    }
  }

  async *list(signal: AbortSignal): AsyncGenerator<ListedObject> {
    for (let token = ""; ; ) {
      const page = await this.#page(token, signal);
      for (const { name: key, lastModified } of page.objects) {
        signal.throwIfAborted();
        const name = key === undefined ? undefined : nameOfKey(key);
        if (name !== undefined) yield { ...name, ...(lastModified === undefined ? {} : { writtenAt: lastModified }) };
      }
      if (!page.isTruncated || page.nextContinuationToken === "") return;
      token = page.nextContinuationToken;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the store was closed"));
    this.#silence[Symbol.dispose]();
    this.#leftovers[Symbol.dispose]();
    this.#reader[Symbol.dispose]();
    this.session[Symbol.dispose]();
  }

  async #removeKey(key: string, signal: AbortSignal): Promise<void> {
    const remove = () => this.session.call(signal, (client, bucket) => client.removeObject(bucket, key));
    try {
      await persist(remove, 0, signal);
    } catch (error) {
      if (error instanceof S3Failure && error.s3Code === "NoSuchKey") return;
      throw error;
    }
  }

  #hasBucket(signal: AbortSignal): Promise<boolean> {
    const { lookMs } = this.session.settings;
    return this.session.call(signal, (client, bucket) => client.bucketExists(bucket), lookMs);
  }

  async #page(token: string, signal: AbortSignal) {
    try {
      const list = () =>
        this.session.call(signal, (client, bucket) => client.listObjectsV2Query(bucket, OBJECTS, token, "", PAGE, ""));
      return await persist(list, 0, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw s3Unavailable(error);
    }
  }

  /** Without a prefix, for MinIO takes a prefix for the whole key. */
  async *#staleUploads(olderThan: Date, signal: AbortSignal) {
    for (let marker = ""; ; ) {
      const after = marker;
      const list = () =>
        this.session.call(signal, (client, bucket) => client.listIncompleteUploadsQuery(bucket, "", after, "", ""));
      const page = await persist(list, 0, signal);
      yield* page.uploads.filter(({ key, initiated }) => key.startsWith(OBJECTS) && initiated < olderThan);
      // The SDK loses the second half of the marker: more than a page of one key is left for the next sweep.
      if (!page.isTruncated || page.nextKeyMarker === "" || page.nextKeyMarker === marker) return;
      marker = page.nextKeyMarker;
    }
  }

  /** false: it had come to its end meanwhile. */
  async #abortUpload(key: string, uploadId: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.session.call(signal, (client, bucket) => client.abortMultipartUpload(bucket, key, uploadId));
      return true;
    } catch (error) {
      if (error instanceof S3Failure && error.s3Code === "NoSuchUpload") return false;
      throw error;
    }
  }
}
