/** What the thread of the embedded Postgres is started with. */
export interface WorkerInput {
  readonly directory: string;
}

/** What the thread says. Bytes are answers in Postgres' wire protocol. */
export type FromWorker =
  | Uint8Array
  | { readonly kind: "ready" }
  | { readonly kind: "closed" }
  /** The thread ends; nothing after this may be believed. */
  | { readonly kind: "fatal"; readonly reason: string };

/** What it is told: protocol bytes to answer, or to end cleanly. */
export type ToWorker = Uint8Array | { readonly kind: "close" };
