import { z } from "zod";
import { listPolicies, type PolicyPorts, replacePolicy, restorePolicy, showPolicy } from "../../artifact/policies.ts";
import { type ExplainPorts, explain } from "../../cache/explain.ts";
import type { PolicyInForce } from "../../cache/policy-in-force.ts";
import { type PreviewPorts, previewPolicy } from "../../cache/preview-policy.ts";
import { CisternError } from "../../domain/errors.ts";
import type { AccessMode } from "../../domain/policy/document.ts";
import { Api, type ApiPorts } from "../api.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { requireTag, revisionTag } from "../entity-tag.ts";
import { explainBody, questionOf } from "../explain-body.ts";
import { explanationShape, explanationView } from "../explain-view.ts";
import { nextPage, pageOf, pageQuery } from "../pages.ts";
import { documentOf, parsePolicyText } from "../policy-body.ts";
import { policyBodySchema } from "../policy-schema.ts";
import {
  policyShape,
  policyVersionShape,
  policyVersionView,
  policyView,
  previewShape,
  previewView,
} from "../policy-view.ts";
import { flag, nothing, wholeNumber } from "../wire-fields.ts";

export interface PolicyRoutePorts extends PolicyPorts, PreviewPorts, Omit<ExplainPorts, "policy">, ApiPorts {
  readonly policy: PolicyInForce;
  /** What the built-in last rule says. */
  readonly builtIn: AccessMode;
}

const tags = ["policies"];
/** Of a comparison over the whole catalog. */
const PREVIEW_MS = 60_000;
const EXPLAIN_MS = 20_000;
const DEFAULT_LISTED = 100;
const MAX_LISTED = 1000;
const number = wholeNumber(1, 2 ** 31 - 1);

/** `/v1/policies`: what is in force, its replacement, and the versions before. */
export function policyRoutes(ports: PolicyRoutePorts): DescribedRoutes {
  const show = {
    summary: "The policy in force",
    etag: true,
    tags,
    roles: ["admin", "auditor"],
    responses: { 200: policyShape },
  } as const;
  const replace = {
    summary: "Replaces the whole policy; with dry_run it tells what would change, and writes nothing",
    tags,
    roles: ["admin"],
    query: z.strictObject({
      dry_run: flag().default(false),
      /** Entries of each list of a dry run. */
      limit: wholeNumber(1, MAX_LISTED).default(DEFAULT_LISTED),
    }),
    body: policyBodySchema,
    ifMatch: "required",
    responses: { 200: z.union([policyShape, previewShape]) },
    errors: ["too-busy"],
  } as const;
  const versions = {
    summary: "The policies that there have been, newest first",
    tags,
    roles: ["admin", "auditor"],
    query: z.strictObject({ ...pageQuery, after: number.optional() }),
    responses: { 200: pageOf("versions", policyVersionShape) },
  } as const;
  const version = {
    summary: "One of the policies that there have been",
    etag: true,
    tags,
    roles: ["admin", "auditor"],
    params: { version: number },
    notFound: "version-not-found",
    responses: { 200: policyShape },
  } as const;
  const restore = {
    summary: "Puts an older policy in force again, as a new version",
    tags,
    roles: ["admin"],
    params: { version: number },
    notFound: "version-not-found",
    ifMatch: "optional",
    body: nothing,
    responses: { 200: policyShape },
  } as const;
  const explanation = {
    summary: "What the policy makes of a request, and what would become of it, without doing it",
    tags,
    roles: ["admin", "auditor", "member"],
    body: explainBody,
    responses: { 200: explanationShape },
    errors: ["type-not-found", "artifact-not-found", "blob-not-found"],
  } as const;
  const shown = (policy: Parameters<typeof policyView>[0]) => ({
    status: 200 as const,
    headers: { ETag: revisionTag(policy?.version ?? 0) },
    body: policyView(policy, ports.builtIn),
  });
  return new Api(ports)
    .get("/v1/policies", show, async ({ principal }) => shown(await showPolicy(ports, principal, undefined)))
    .put("/v1/policies", replace, async ({ principal, query, body, ifMatch }) => {
      const { note = "", ...document } = body;
      const seen = (await showPolicy(ports, principal, undefined))?.version ?? 0;
      requireTag(ifMatch, revisionTag(seen));
      if (query.dry_run) {
        const body = await preview(ports, documentOf(document), seen, query.limit);
        return { status: 200, headers: { ETag: revisionTag(seen) }, body };
      }
      return shown(await replacePolicy(ports, principal, seen, { document: JSON.stringify(document), note }));
    })
    .post("/v1/policies/explain", explanation, async ({ principal, body }) => {
      const question = questionOf(body, principal, ports.clock.now());
      const late = AbortSignal.timeout(EXPLAIN_MS);
      return { status: 200, body: explanationView(await explain(ports, principal, question, late)) };
    })
    .get("/v1/policies/versions", versions, async ({ context, principal, query: { limit, after } }) => {
      const page = await listPolicies(ports, principal, limit, after);
      const last = page.more ? page.versions.at(-1)?.version : undefined;
      const next = nextPage(context, last === undefined ? undefined : String(last));
      return { status: 200, body: { versions: page.versions.map(policyVersionView), next } };
    })
    .get("/v1/policies/versions/:version", version, async ({ principal, params }) =>
      shown(await showPolicy(ports, principal, params.version)),
    )
    .post("/v1/policies/versions/:version/restore", restore, async ({ principal, params, ifMatch }) => {
      const seen = (await showPolicy(ports, principal, undefined))?.version ?? 0;
      requireTag(ifMatch, revisionTag(seen));
      return shown(await restorePolicy(ports, principal, params.version, seen, parsePolicyText));
    }).routes;
}

async function preview(ports: PolicyRoutePorts, document: ReturnType<typeof documentOf>, seen: number, limit: number) {
  // Compared with what the caller saw, which this process may not have heard of yet.
  if (ports.policy.current.version !== seen) await ports.policy.refresh();
  const policies = { before: ports.policy.current, after: ports.policy.compile(document, seen + 1) };
  const late = AbortSignal.timeout(PREVIEW_MS);
  try {
    return previewView(await previewPolicy(ports, policies, limit, late), seen);
  } catch (error) {
    if (!late.aborted) throw error;
    throw new CisternError("too-busy", "the comparison takes too long: try again later", { cause: error });
  }
}
