import type { ClientKind } from "./draw-plan.ts";
import { type RawAnswer, type RawRequest, rawGet } from "./raw-client.ts";

/** What a client has at the end. */
export interface ClientOutcome {
  readonly kind: ClientKind;
  /** The client takes the file for complete, and exits with 0. */
  readonly complete: boolean;
  readonly file: Buffer;
  /** First byte of the blob that the file is meant to start with. */
  readonly from: number;
  /** A broken body ended with FIN, which a lenient client takes for its end. */
  readonly endedWithFin: boolean;
  readonly statuses: readonly number[];
}

/** The request for all of it; what is resumed differs in its range alone. */
export type Whole = Omit<RawRequest, "version">;

const RESUMES = 2;

/**
 * Downloads as the program would that it is named after: `curl` gives up at a broken body, `-0`
 * speaks HTTP/1.0, `-C` asks for the rest and refuses a 200, `wget -c` skips in a 200 what it has;
 * both take 416 for "already complete". `range` asks for the tail alone.
 */
export async function download(kind: ClientKind, size: number, whole: Whole): Promise<ClientOutcome> {
  const from = kind === "range" ? Math.floor(size / 3) : 0;
  const version = kind === "curl -0" ? "1.0" : "1.1";
  const get = (offset: number) => rawGet(requestFrom(whole, offset, version));
  const first = await get(from);
  const answers = [first];
  let file = bodyFrom(first, from);
  let complete = first.complete && isSuccess(first);
  const resumes = kind === "curl -C" || kind === "wget -c" ? RESUMES : 0;
  for (let attempt = 0; attempt < resumes && !complete && file.length > 0; attempt += 1) {
    const answer = await get(file.length);
    answers.push(answer);
    if (answer.status === 416) complete = true;
    else if (answer.status === 206) file = Buffer.concat([file, answer.body]);
    else if (answer.status === 200 && kind === "wget -c") {
      file = Buffer.concat([file, answer.body.subarray(file.length)]);
    } else break;
    complete ||= answer.complete;
  }
  const endedWithFin = answers.some((answer) => isSuccess(answer) && !answer.complete && answer.end === "fin");
  return { kind, complete, file, from, endedWithFin, statuses: answers.map(({ status }) => status) };
}

function requestFrom(whole: Whole, offset: number, version: RawRequest["version"]): RawRequest {
  const range: Record<string, string> = offset > 0 ? { Range: `bytes=${offset}-` } : {};
  return { ...whole, version, headers: { ...whole.headers, ...range } };
}

/** The bytes of the blob from `from` on, also when the range was ignored. */
function bodyFrom(answer: RawAnswer, from: number): Buffer {
  if (answer.status === 200) return answer.body.subarray(from);
  return answer.status === 206 ? answer.body : Buffer.alloc(0);
}

function isSuccess({ status }: RawAnswer): boolean {
  return status === 200 || status === 206;
}
