import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { CisternError, isCisternError } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";

export interface TlsPaths {
  /** PEM: the certificate, then those that lead to its root. */
  readonly certFile: string;
  /** PEM, not encrypted. */
  readonly keyFile: string;
}

type Variable = "CISTERN_TLS_CERT" | "CISTERN_TLS_KEY";

/** What the two files hold, usable or not. */
interface Contents {
  readonly cert: Buffer | unknown;
  readonly key: Buffer | unknown;
}

interface Pair {
  readonly context: SecureContextOptions;
  /** When the certificate expires, in ISO 8601. */
  readonly notAfter: string;
}

/** Kubernetes swaps a symlink above the files, which no file event tells of: they are read again so often. */
const POLL_MS = 5_000;

/**
 * A certificate and its key, taken anew when their files change. Files that are no usable pair
 * change nothing: the pair before stays in use, and the events tell.
 */
export class TlsFiles implements Disposable {
  readonly #paths: TlsPaths;
  readonly #events: Events;
  readonly #listeners: ((context: SecureContextOptions) => void)[] = [];
  #pair: Pair;
  #seen: Contents;
  /** Why what was seen last is not in use. */
  #failure: CisternError | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(paths: TlsPaths, events: Events, seen: Contents, pair: Pair) {
    this.#paths = paths;
    this.#events = events;
    this.#seen = seen;
    this.#pair = pair;
  }

  /** Reads the pair and watches its files. `invalid-config` when they are no usable pair. */
  static async open(paths: TlsPaths, events: Events, pollMs = POLL_MS): Promise<TlsFiles> {
    const seen = await readBoth(paths);
    const files = new TlsFiles(paths, events, seen, parsePair(paths, seen));
    files.#timer = setInterval(() => void files.#poll(), pollMs).unref();
    return files;
  }

  get context(): SecureContextOptions {
    return this.#pair.context;
  }

  /** Told of each new pair. */
  onChange(listener: (context: SecureContextOptions) => void): void {
    this.#listeners.push(listener);
  }

  /** Takes the files as they are now, changed or not. */
  async reload(): Promise<void> {
    this.#seen = await readBoth(this.#paths);
    this.#take();
    this.#reportFailure();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  async #poll(): Promise<void> {
    const seen = await readBoth(this.#paths);
    if (!sameContents(seen, this.#seen)) {
      this.#seen = seen;
      this.#take();
    } else {
      // Not at once: the two files are rarely written at the same moment.
      this.#reportFailure();
    }
  }

  #take(): void {
    this.#failure = undefined;
    try {
      this.#pair = parsePair(this.#paths, this.#seen);
    } catch (error) {
      if (!isCisternError(error)) throw error;
      this.#failure = error;
      return;
    }
    for (const listener of this.#listeners) listener(this.#pair.context);
    this.#events.emit({ kind: "tls-reloaded", notAfter: this.#pair.notAfter });
  }

  #reportFailure(): void {
    if (this.#failure !== undefined) this.#events.emit({ kind: "tls-reload-failed", cause: this.#failure });
    this.#failure = undefined;
  }
}

/** Never rejects: what cannot be read is a content that is not usable. */
async function readBoth({ certFile, keyFile }: TlsPaths): Promise<Contents> {
  const [cert, key] = await Promise.allSettled([readFile(certFile), readFile(keyFile)]);
  return {
    cert: cert.status === "fulfilled" ? cert.value : cert.reason,
    key: key.status === "fulfilled" ? key.value : key.reason,
  };
}

function sameContents(one: Contents, other: Contents): boolean {
  return same(one.cert, other.cert) && same(one.key, other.key);
}

function same(one: unknown, other: unknown): boolean {
  if (Buffer.isBuffer(one) && Buffer.isBuffer(other)) return one.equals(other);
  return !Buffer.isBuffer(one) && !Buffer.isBuffer(other);
}

function parsePair({ certFile, keyFile }: TlsPaths, { cert, key }: Contents): Pair {
  if (!Buffer.isBuffer(cert)) throw broken("CISTERN_TLS_CERT", `names a file that cannot be read (${certFile})`, cert);
  if (!Buffer.isBuffer(key)) throw broken("CISTERN_TLS_KEY", `names a file that cannot be read (${keyFile})`, key);
  const certificate = attempt(
    () => new X509Certificate(cert),
    "CISTERN_TLS_CERT",
    `must hold a certificate in PEM (${certFile})`,
  );
  const privateKey: KeyObject = attempt(
    () => createPrivateKey(key),
    "CISTERN_TLS_KEY",
    `must hold a private key in PEM that is not encrypted (${keyFile})`,
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    throw broken("CISTERN_TLS_KEY", `must hold the key of the certificate in CISTERN_TLS_CERT (${keyFile})`);
  }
  const context: SecureContextOptions = { cert, key, minVersion: "TLSv1.2" };
  attempt(
    () => createSecureContext(context),
    "CISTERN_TLS_CERT",
    `must hold a certificate, and its chain, that TLS 1.2 takes (${certFile})`,
  );
  return { context, notAfter: certificate.validToDate.toISOString() };
}

function attempt<T>(make: () => T, field: Variable, rule: string): T {
  try {
    return make();
  } catch (cause) {
    throw broken(field, rule, cause);
  }
}

function broken(field: Variable, rule: string, cause?: unknown): CisternError {
  return new CisternError("invalid-config", `${field} ${rule}`, { fields: [{ field, rule }], cause });
}
