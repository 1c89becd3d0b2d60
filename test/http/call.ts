import { Agent, type ClientRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { z } from "zod";
import { checkConformance } from "../support/documents.ts";

export const LOCATION_TYPE = "application/vnd+openstack.glare-custom-location+json";
export const PATCH_TYPE = "application/json-patch+json";

export interface Call {
  readonly token?: string;
  readonly headers?: OutgoingHttpHeaders;
  /** Sent as JSON, under `application/json` unless the headers say otherwise. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: string | Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Bytes of the body as they came. */
  readonly length: number;
  /** The body, parsed; throws when it is no JSON. */
  json(): unknown;
}

const ARTIFACT = z.looseObject({ id: z.string(), status: z.string(), visibility: z.string() });
const PROBLEMS = z.looseObject({
  code: z.union([z.number(), z.string()]),
  error: z.looseObject({ type: z.string(), code: z.string(), message: z.string() }).optional(),
  errors: z.array(z.strictObject({ field: z.string(), rule: z.string() })).optional(),
});

const agent = new Agent({ keepAlive: true, maxSockets: 32 });

/**
 * Sends a request as it is written, path included: `fetch` would mend what is wrong on purpose. Where
 * the server's document is known (`openEdge`), the answer must be as it says.
 */
export function call(port: number, method: string, path: string, options: Call = {}): Promise<Answer> {
  const body = options.json === undefined ? options.body : JSON.stringify(options.json);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = start(port, method, path, {
    ...(options.json === undefined ? {} : { "Content-Type": "application/json" }),
    ...(body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) }),
    ...(options.token === undefined ? {} : { "X-Auth-Token": options.token }),
    ...options.headers,
  });
  answerOf(sent)
    .then((answer) => {
      checkConformance(port, { method, path, ...answer, text: () => answer.text });
      return answer;
    })
    .then(resolve, reject);
  sent.end(body);
  return promise;
}

/** Begins a request whose body is written by the caller. */
export function start(port: number, method: string, path: string, headers: OutgoingHttpHeaders): ClientRequest {
  return request({ host: "127.0.0.1", port, method, path, headers, agent, setHost: true });
}

export function answerOf(sent: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    sent.once("error", reject);
    sent.once("response", (response) => {
      buffer(response).then((bytes) => {
        const text = bytes.toString("utf8");
        const json = (): unknown => JSON.parse(text);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, length: bytes.length, json });
      }, reject);
    });
  });
}

/** The artifact of an answer that must be one. */
export function artifactOf(answer: Answer): z.infer<typeof ARTIFACT> {
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`);
  return ARTIFACT.parse(answer.json());
}

/** Stable code and broken rules of an error in either shape. */
export function problemOf(answer: Answer): { code: string; fields: readonly string[]; rules: readonly string[] } {
  const body = PROBLEMS.parse(answer.json());
  const errors = body.errors ?? [];
  return {
    code: body.error?.code ?? String(body.code),
    fields: errors.map(({ field }) => field),
    rules: errors.map(({ rule }) => rule),
  };
}
