import { expect } from "vitest";
import { type AskOptions, ask, type SeenAnswer } from "./http-client.ts";

/** Where and as whom to speak of the policy. */
export interface PolicyAdmin {
  readonly url: string;
  readonly adminToken: string;
}

/** A call to the operators' API, as the admin. */
export function operate(
  admin: PolicyAdmin,
  method: string,
  path: string,
  options: AskOptions = {},
): Promise<SeenAnswer> {
  const json = options.body === undefined ? {} : { "Content-Type": "application/json" };
  const headers = { Authorization: `Bearer ${admin.adminToken}`, ...json, ...options.headers };
  return ask(`${admin.url}${path}`, { ...options, method, headers });
}

/** Replaces the policy, whatever it was; answers the new version. */
export async function setPolicy(admin: PolicyAdmin, document: unknown): Promise<number> {
  const { headers } = await operate(admin, "GET", "/v1/policies");
  const body = JSON.stringify(document);
  const answer = await operate(admin, "PUT", "/v1/policies", { body, headers: { "If-Match": String(headers.etag) } });
  expect(answer.status, answer.body.toString()).toBe(200);
  return JSON.parse(answer.body.toString()).version;
}
