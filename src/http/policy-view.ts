import { z } from "zod";
import type { AffectedClient } from "../cache/preview-clients.ts";
import type { AffectedContent } from "../cache/preview-contents.ts";
import type { AffectedHost } from "../cache/preview-hosts.ts";
import type { PolicyPreview } from "../cache/preview-policy.ts";
import { ACCESS_MODES } from "../domain/policy/document.ts";
import type { PolicyVersion, PolicyVersionHead } from "../domain/policy-catalog.ts";
import { placeOf } from "../domain/replica.ts";
import { policyDocumentSchema, type WirePolicy } from "./policy-schema.ts";
import { bytes, shownTime } from "./wire-fields.ts";

const head = {
  /** Counts the documents; 0: none was ever set, and the built-in rules alone hold. */
  version: z.int().min(0),
  made_by: z.string().nullable(),
  made_at: shownTime.nullable(),
  note: z.string(),
};

export const policyVersionShape = z.object(head).meta({ id: "PolicyVersion" });

export const policyShape = z
  .object({
    ...head,
    /** What the rule behind the last access rule says, of everybody (`CISTERN_MODE`). */
    built_in: z.object({ mode: z.string() }),
    access: policyDocumentSchema.shape.access,
    content: policyDocumentSchema.shape.content,
  })
  .meta({ id: "Policy" });

export function policyVersionView({ version, madeBy, madeAt, note }: PolicyVersionHead) {
  return { version, made_by: madeBy, made_at: madeAt.toISOString(), note };
}

/** @param builtIn the mode of the built-in last rule */
export function policyView(policy: PolicyVersion | undefined, builtIn: string) {
  const built_in = { mode: builtIn };
  if (policy === undefined) {
    return { version: 0, made_by: null, made_at: null, note: "", built_in, access: [], content: [] };
  }
  // As it was parsed when it was taken.
  const { access, content } = JSON.parse(policy.document) as WirePolicy;
  return { ...policyVersionView(policy), built_in, access, content };
}

const who = z
  .object({
    clients: z.array(z.string()),
    tokens: z.array(z.string()),
    projects: z.array(z.string()),
    roles: z.array(z.string()),
  })
  .nullable();

export const previewShape = z
  .object({
    dry_run: z.literal(true),
    /** The version that it was compared with. */
    version: z.int().min(0),
    contents: z.object({
      /** All of them; `listed` is as long as `limit` says. */
      count: z.int().min(0),
      bytes,
      listed: z.array(
        z.object({
          sha256: z.string(),
          size: bytes,
          effects: z.array(
            z.object({ effect: z.enum(["expires", "expires-sooner", "loses-protection", "denied"]), rule: z.string() }),
          ),
        }),
      ),
    }),
    clients: z
      .object({
        count: z.int().min(0),
        listed: z.array(
          z.object({
            address: z.string(),
            token: z.string(),
            project: z.string(),
            type: z.string(),
            artifact: z.string(),
            name: z.string(),
            before: z.enum(ACCESS_MODES),
            mode: z.enum(["redirect", "deny"]),
            rule: z.string(),
          }),
        ),
        unheard: z
          .array(z.string())
          .describe(
            "URLs of replicas that gave no answer in time, or are of an older version: clients that asked those alone are missing",
          ),
      })
      .describe(
        "Clients that have asked any replica within a day, each once, and would be redirected or denied if they asked for the same again",
      ),
    /** Origins whose clients are concerned, as the rules name them. */
    hosts: z.object({
      count: z.int().min(0),
      listed: z.array(
        z.object({
          host: z.string(),
          mode: z.enum(["redirect", "deny"]),
          rule: z.string(),
          /** Null: everybody. */
          who,
          records: z.int().min(0),
          cached: z.int().min(0),
        }),
      ),
    }),
  })
  .meta({ id: "PolicyPreview" });

export function previewView({ contents, hosts, clients }: PolicyPreview, version: number) {
  return {
    dry_run: true as const,
    version,
    contents: { ...contents, listed: contents.listed.map((content: AffectedContent) => ({ ...content })) },
    clients: {
      count: clients.count,
      listed: clients.listed.map(clientView),
      unheard: [...new Set(clients.unheard.map(placeOf))],
    },
    hosts: { ...hosts, listed: hosts.listed.map(hostView) },
  };
}

function clientView({ principal, record, before, mode, rule }: AffectedClient) {
  const { address, tokenId, project } = principal;
  const { artifact, blob } = record;
  return {
    address,
    token: tokenId,
    project,
    type: artifact.type,
    artifact: blob.artifactId,
    name: artifact.name,
    before,
    mode,
    rule,
  };
}

function hostView({ who: named, ...host }: AffectedHost) {
  if (named === undefined) return { ...host, who: null };
  const { clients, principal } = named;
  const { tokens = [], projects = [], roles = [] } = principal ?? {};
  return { ...host, who: { clients, tokens, projects, roles } };
}
