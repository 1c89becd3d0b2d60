import { z } from "zod";
import { brokenAt } from "../domain/json-place.ts";
import { EXIT, Failure } from "./failure.ts";
import { parseJson } from "./problem-body.ts";
import type { Session } from "./session.ts";

export const POLICIES = "/v1/policies";

const RULES = z.array(z.looseObject({ name: z.string() }));
export const POLICY_VIEW = z.looseObject({
  version: z.number(),
  made_by: z.string().nullable(),
  made_at: z.string().nullable(),
  note: z.string(),
  built_in: z.looseObject({ mode: z.string() }),
  access: RULES,
  content: RULES,
});
export type PolicyView = z.infer<typeof POLICY_VIEW>;

const EFFECT = z.looseObject({ effect: z.string(), rule: z.string() });
const PREVIEW_VIEW = z.looseObject({
  dry_run: z.literal(true),
  version: z.number(),
  contents: z.looseObject({
    count: z.number(),
    bytes: z.number(),
    listed: z.array(z.looseObject({ sha256: z.string(), size: z.number(), effects: z.array(EFFECT) })),
  }),
  clients: z.looseObject({
    count: z.number(),
    listed: z.array(
      z.looseObject({
        address: z.string(),
        project: z.string(),
        name: z.string(),
        before: z.string(),
        mode: z.string(),
        rule: z.string(),
      }),
    ),
    // An older replica may answer.
    unheard: z.array(z.string()).default([]),
  }),
  hosts: z.looseObject({
    count: z.number(),
    listed: z.array(
      z.looseObject({
        host: z.string(),
        mode: z.string(),
        rule: z.string(),
        who: z
          .looseObject({
            clients: z.array(z.string()),
            tokens: z.array(z.string()),
            projects: z.array(z.string()),
            roles: z.array(z.string()),
          })
          .nullable(),
        records: z.number(),
        cached: z.number(),
      }),
    ),
  }),
});
export type PreviewView = z.infer<typeof PREVIEW_VIEW>;

export function readPolicy({ client, signal }: Session): Promise<PolicyView> {
  return client.call({ method: "GET", path: POLICIES }, POLICY_VIEW, signal);
}

/** What would change; the server writes nothing. */
export function previewPolicy({ client, signal }: Session, version: number, body: unknown): Promise<PreviewView> {
  const path = `${POLICIES}?dry_run=true`;
  return client.call({ method: "PUT", path, headers: ifVersion(version), body }, PREVIEW_VIEW, signal);
}

/** Puts it in force, unless the policy is not the one of this version any more. */
export function putPolicy({ client, signal }: Session, version: number, body: unknown): Promise<PolicyView> {
  return client.call({ method: "PUT", path: POLICIES, headers: ifVersion(version), body }, POLICY_VIEW, signal);
}

export function ifVersion(version: number): Record<string, string> {
  return { "If-Match": `"r${version}"` };
}

/** The document of a file: JSON, in which lines that begin with `//` are left out. */
export function parsePolicyFile(text: string, file: string): unknown {
  const json = withoutComments(text);
  const document = parseJson(json);
  if (document !== undefined) return document;
  const { line, column } = brokenAt(json);
  throw new Failure(`${file} is no JSON: it is broken at line ${line}, column ${column}`, {
    exit: EXIT.usage,
    code: "invalid-json",
    hint: "rules are separated by commas, and there is none behind the last one",
  });
}

function withoutComments(text: string): string {
  // Left as empty lines, so that places in the text stay what they are.
  return text.replaceAll(/^[ \t]*\/\/.*$/gm, "");
}
