import type { Behalf } from "../../src/domain/egress.ts";
import { isCisternError } from "../../src/domain/errors.ts";
import type { ExternalLocation, SetBy } from "../../src/domain/location.ts";
import type { Source, SourceAnswer, SourceRequest } from "../../src/domain/source.ts";
import { systemResolve } from "../../src/origin/guarded-connector.ts";
import { HttpSource } from "../../src/origin/http-source.ts";
import { ORIGIN_DEFAULTS, type OriginOptions, type OriginPorts } from "../../src/origin/options.ts";

/** A source that may use this machine's loopback addresses, as nothing else is at hand in a test. */
export function openSource(options: Partial<OriginOptions> = {}, ports: Partial<OriginPorts> = {}): HttpSource {
  return new HttpSource(
    {
      ...ORIGIN_DEFAULTS,
      allow: ["127.0.0.0/8", "::1/128"],
      memberHosts: [],
      ownAddresses: () => [],
      loopId: "cistern-test",
      ...options,
    },
    { clock: { now: () => new Date(), monotonic: () => performance.now() }, resolve: systemResolve, ...ports },
  );
}

export function at(url: string, setBy: SetBy = "admin"): ExternalLocation {
  return { kind: "external", url, setBy };
}

/** On nobody's account in particular. */
export const BEHALF: Behalf = { project: "p", blob: "artifacts/a/image", fill: undefined, size: undefined };

export const NEVER = new AbortController().signal;

/** What a caller of the source sees: the head, the bytes, and how it ended. */
export interface Outcome {
  readonly answer: SourceAnswer | undefined;
  readonly bytes: Buffer;
  /** `complete`, or the code of the error. */
  readonly end: string;
  readonly error: unknown;
}

export async function take(
  source: Source,
  url: string,
  request: Partial<SourceRequest> = {},
  signal: AbortSignal = NEVER,
): Promise<Outcome> {
  const chunks: Uint8Array[] = [];
  let answer: SourceAnswer | undefined;
  try {
    const asked = {
      location: at(url),
      behalf: BEHALF,
      offset: 0,
      validator: undefined,
      acceptEncoded: true,
      ...request,
    };
    answer = await source.open(asked, signal);
    for await (const chunk of answer.body) chunks.push(chunk);
    return { answer, bytes: Buffer.concat(chunks), end: "complete", error: undefined };
  } catch (error) {
    const end = isCisternError(error) ? error.code : String(error);
    return { answer, bytes: Buffer.concat(chunks), end, error };
  }
}
