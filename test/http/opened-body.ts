import type { ServedBody } from "../../src/cache/open-readers.ts";
import type { OpenedBody } from "../../src/cache/opened-blob.ts";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { BlobId } from "../../src/domain/blob.ts";

/** Bytes that a body gives before it ends, fails, or has nothing more to give. */
export interface BodyOptions {
  readonly bytes: number;
  /** What follows them. */
  readonly after: "end" | "fail" | "wait";
  /** Bytes that the response announces. */
  readonly announced: number;
}

/** A body as the cache opens it, that ends as the test says. */
export function openedBody(options: BodyOptions): OpenedBody {
  const artifactId = "00000000-0000-4000-8000-000000000001" as ArtifactId;
  const when = new Date(0);
  return {
    kind: "body",
    outcome: "fill",
    size: options.announced,
    range: { start: 0, end: options.announced },
    partial: false,
    verified: false,
    body: new EndingBody(options),
    facts: {
      digests: {},
      validators: { etag: undefined, lastModified: undefined },
      resolved: {
        artifact: {
          id: artifactId,
          type: "images",
          name: "image",
          version: "0.0.0",
          owner: "p",
          visibility: "private",
          status: "active",
          description: "",
          tags: [],
          metadata: {},
          fields: {},
          createdAt: when,
          updatedAt: when,
          activatedAt: when,
          revision: 1,
        },
        blob: {
          id: "b" as BlobId,
          artifactId,
          field: "image",
          key: "",
          location: undefined,
          digests: {},
          size: undefined,
          digestSource: undefined,
          contentType: "application/octet-stream",
        },
        mirrors: [],
        content: undefined,
        admittedElsewhere: false,
      },
    },
  };
}

class EndingBody implements ServedBody {
  readonly #options: BodyOptions;
  readonly #disposed = Promise.withResolvers<undefined>();
  #given = 0;

  constructor(options: BodyOptions) {
    this.#options = options;
  }

  async next(max: number) {
    const bytes = Math.min(max, this.#options.bytes - this.#given);
    this.#given += bytes;
    if (bytes > 0) return { chunks: [Buffer.alloc(bytes, 7)], bytes, release: () => undefined };
    if (this.#options.after === "fail") throw new Error("the bytes are not what was recorded");
    return this.#options.after === "wait" ? await this.#disposed.promise : undefined;
  }

  onCut(): void {
    // Nobody takes these bytes back.
  }

  [Symbol.dispose](): void {
    this.#disposed.resolve(undefined);
  }
}
