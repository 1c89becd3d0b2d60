import { Agent } from "node:http";
import { Agent as SecureAgent } from "node:https";
import type { Client } from "minio";
import { asError } from "./failure.ts";
import type { S3Settings } from "./options.ts";
import { limitedTransport } from "./transport.ts";

/** What a call of the SDK gets to work with. */
export type S3Call<T> = (client: Client, bucket: string) => Promise<T>;

/** A presigned URL is used at once; this leaves room for a clock that is wrong. */
const SIGNED_FOR_SECONDS = 3600;

/** The SDK with the credentials and the connections of one store. */
export class S3Session implements Disposable {
  readonly settings: S3Settings;
  readonly #sdk: typeof Client;
  readonly #agent: Agent;
  readonly #signer: Client;

  private constructor(settings: S3Settings, authorities: string[] | undefined, sdk: typeof Client) {
    this.settings = settings;
    this.#sdk = sdk;
    const limits = { keepAlive: true, maxSockets: settings.maxCalls, maxFreeSockets: 8, timeout: 30_000 };
    this.#agent = this.#secure
      ? new SecureAgent({ ...limits, ...(authorities === undefined ? {} : { ca: authorities }) })
      : new Agent(limits);
    this.#signer = this.#client(this.settings.requestMs, new AbortController().signal);
  }

  /**
   * Loads the SDK, which costs some 40 MiB: only who has an S3 store pays for it.
   * @param authorities PEM certificates that are trusted instead of the built-in ones
   */
  static async create(settings: S3Settings, authorities: string[] | undefined): Promise<S3Session> {
    const sdk = await import("minio");
    return new S3Session(settings, authorities, sdk.Client);
  }

  /** Runs a call whose requests end with the signal. Rejects with what the SDK throws, or an S3Failure. */
  async call<T>(signal: AbortSignal, run: S3Call<T>, totalMs = this.settings.requestMs): Promise<T> {
    signal.throwIfAborted();
    try {
      return await run(this.#client(totalMs, signal), this.settings.bucket);
    } catch (error) {
      throw asError(error);
    }
  }

  /** A URL for a request that does not go through the SDK. It holds a signature: for no log. */
  async sign(method: "GET" | "HEAD", key: string): Promise<URL> {
    return new URL(await this.#signer.presignedUrl(method, this.settings.bucket, key, SIGNED_FOR_SECONDS));
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  get #secure(): boolean {
    return this.settings.endpoint.protocol === "https:";
  }

  /** The SDK has no other place for a signal: a client of its own for each call, which costs some microseconds. */
  #client(totalMs: number, signal: AbortSignal): Client {
    const { endpoint, accessKey, secretKey, sessionToken, region, pathStyle, connectMs, requestMs } = this.settings;
    const client = new this.#sdk({
      endPoint: endpoint.hostname.replace(/^\[|\]$/g, ""),
      port: endpoint.port === "" ? (this.#secure ? 443 : 80) : Number(endpoint.port),
      useSSL: this.#secure,
      accessKey,
      secretKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      region,
      pathStyle,
      transport: limitedTransport(this.#secure, { connectMs, silentMs: Math.min(requestMs, totalMs), totalMs }, signal),
      transportAgent: this.#agent,
      retryOptions: { disableRetry: true },
    });
    // Parts are checked by the server against a SHA-256 that is signed, with TLS as without.
    client.enableSHA256 = true;
    return client;
  }
}
