import { hash } from "node:crypto";
import { z } from "zod";
import { CisternError, invalid } from "../domain/errors.ts";
import type { FirstAnswers } from "../domain/first-answers.ts";
import type { EdgeContext } from "./caller.ts";
import { readCredentials } from "./credentials.ts";
import { SealedAnswers } from "./sealed-answer.ts";

export interface AnswerOncePorts {
  readonly answers: FirstAnswers;
  report(error: unknown): void;
}

// As other APIs have it (draft-ietf-httpapi-idempotency-key-header); quotes are part of it.
const KEY = /^[\x21-\x7e]{1,255}$/;
const RETRY_AFTER_S = 1;
const KEPT = z.strictObject({ status: z.int(), headers: z.array(z.tuple([z.string(), z.string()])), body: z.string() });

/**
 * Runs a request that creates something, unless one with the same `Idempotency-Key` of the same token
 * was answered within 24 h: that answer is given again. Another request
 * under the key is `idempotency-conflict`, one that still runs `conflict`. What failed is not
 * remembered.
 *
 * @param json the body as it came
 */
export async function answerOnce(
  { answers, report }: AnswerOncePorts,
  context: EdgeContext,
  json: unknown,
  run: () => Promise<Response>,
): Promise<Response> {
  const { headers, method, url } = context.env.incoming;
  const key = headers["idempotency-key"];
  const credentials = readCredentials(headers);
  if (key === undefined || credentials.kind !== "token") return run();
  if (typeof key !== "string" || !KEY.test(key)) {
    throw invalid("header.idempotency-key", "must be 1 to 255 visible ASCII characters");
  }
  const sealed = new SealedAnswers(credentials.token, key);
  const claim = await answers.claim(sealed.name, hash("sha256", `${method} ${url}\n${canonical(json)}`));
  if (claim.kind === "answered") return again(sealed.open(claim.answer));
  if (claim.kind !== "first") throw refusal(claim.kind);
  try {
    const response = await run();
    const body = await response.text();
    const kept = { status: response.status, headers: [...response.headers], body };
    // What is made is made: the caller learns it, though a second request would not.
    await answers.keep(sealed.name, claim.claim, sealed.seal(JSON.stringify(kept))).catch(report);
    return new Response(body, response);
  } catch (error) {
    await answers.release(sealed.name, claim.claim).catch(report);
    throw error;
  }
}

function again(text: string): Response {
  const { status, headers, body } = KEPT.parse(JSON.parse(text));
  return new Response(body, { status, headers: [...headers, ["Idempotent-Replayed", "true"]] });
}

function refusal(kind: "running" | "other"): CisternError {
  const field = "header.idempotency-key";
  if (kind === "running") {
    const rule = "is the one of a request that still runs";
    return new CisternError("conflict", `${field}: ${rule}`, { fields: [{ field, rule }], retryAfter: RETRY_AFTER_S });
  }
  const rule = "was used for another request: every request needs one of its own";
  return new CisternError("idempotency-conflict", `${field}: ${rule}`, { fields: [{ field, rule }] });
}

/** JSON with the members in one order, so that the same body is the same text. */
function canonical(json: unknown): string {
  return JSON.stringify(json ?? null, (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}
