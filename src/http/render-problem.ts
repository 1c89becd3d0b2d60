import { type Problem, problemOf } from "./problem.ts";

/** The two shapes of errors: OpenStack's on the compatible APIs, RFC 9457 on our own. */
export type Face = "openstack" | "problem-json";

/** The shape that the clients of a path know. */
export function faceOf(path: string): Face {
  return path.startsWith("/v1/") ? "problem-json" : "openstack";
}

export interface RenderedProblem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** An error as a response. `headers` are added to it (`Allow`). */
export function renderProblem(
  error: unknown,
  face: Face,
  headers: Readonly<Record<string, string>> = {},
): RenderedProblem {
  const problem = problemOf(error);
  const body = `${JSON.stringify(face === "openstack" ? openStackBody(problem) : problemBody(problem))}\n`;
  return { status: problem.status, headers: { ...headersOf(problem, face, body), ...headers }, body };
}

/** As a web response; hono drops the body of a HEAD. */
export function problemResponse(error: unknown, face: Face, headers?: Readonly<Record<string, string>>): Response {
  const rendered = renderProblem(error, face, headers);
  return new Response(rendered.body, { status: rendered.status, headers: rendered.headers });
}

function headersOf(problem: Problem, face: Face, body: string): Record<string, string> {
  const headers: Record<string, string> = {
    "Content-Type": face === "openstack" ? "application/json" : "application/problem+json",
    "Content-Length": String(Buffer.byteLength(body)),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
  };
  if (problem.retryAfter !== undefined) headers["Retry-After"] = String(Math.ceil(problem.retryAfter));
  if (problem.status === 401) headers["WWW-Authenticate"] = 'Basic realm="cistern", charset="UTF-8"';
  // RFC 9110 §15.5.17
  if (problem.status === 416 && problem.size !== undefined) headers["Content-Range"] = `bytes */${problem.size}`;
  return headers;
}

function openStackBody(problem: Problem): unknown {
  const { status, title, detail, type, code } = problem;
  return { code: status, title, explanation: detail, error: { message: detail, type, code }, ...extras(problem) };
}

/** RFC 9457; the type is `about:blank`, so that the title is the status's. */
function problemBody(problem: Problem): unknown {
  const { status, title, detail, code } = problem;
  return { type: "about:blank", title, status, detail, code, ...extras(problem) };
}

function extras({ errors, origin, originStatus }: Problem): Record<string, unknown> {
  return {
    ...(errors.length === 0 ? {} : { errors }),
    ...(origin === undefined ? {} : { origin }),
    ...(originStatus === undefined ? {} : { origin_status: originStatus }),
  };
}
