import type { AddressJudge, AddressVerdict } from "../domain/address-verdict.ts";
import type { ArtifactId } from "../domain/artifact.ts";
import type { BlobId, BlobRef, ResolvedBlob } from "../domain/blob.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { Digests } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import { nextStart } from "../domain/fetch-window.ts";
import type { ExternalLocation } from "../domain/location.ts";
import type { AccessDecision } from "../domain/policy/compile.ts";
import type { ContentRules } from "../domain/policy/content-rules.ts";
import { redirectTarget } from "../domain/policy/redirect.ts";
import { type SubjectArtifact, subjectOf } from "../domain/policy/subject.ts";
import { isAdmin, mayWrite, type Principal } from "../domain/principal.ts";
import { type Asking, type Foreseen, type ForeseePorts, foresee, objectionToMirror } from "./foresee.ts";

export interface ExplainPorts extends ForeseePorts {
  readonly blobs: Pick<BlobCatalog, "resolve">;
  readonly addresses: AddressJudge;
}

/** A URL as if it were registered, and nothing fetched from it yet. */
export interface Imagined {
  readonly artifact: SubjectArtifact;
  readonly url: string;
  readonly digests: Digests;
  readonly size: number | undefined;
}

export interface Question {
  readonly about: { readonly ref: BlobRef; readonly type: string } | Imagined;
  readonly asking: Asking;
  readonly at: Date;
}

export interface Explained {
  readonly version: number;
  readonly resolved: ResolvedBlob;
  readonly access: AccessDecision & { readonly matching: readonly AccessDecision[] };
  readonly content: ContentRules;
  readonly contentRules: readonly string[];
  /** When a prefetch could begin; undefined: the rules ask for none. */
  readonly prefetchAt: Date | undefined;
  readonly location: ExternalLocation | undefined;
  readonly redirectable: boolean;
  /** undefined: there is no origin, or it is not for the caller to learn what its name leads to (I8). */
  readonly address: AddressVerdict | undefined;
  readonly mirrors: readonly {
    readonly ref: BlobRef;
    readonly url: string;
    readonly objection: CisternError | undefined;
  }[];
  readonly outcome: Foreseen;
}

/**
 * Says what the policy makes of a request, and what would become of it, without doing it. Admins and
 * auditors ask about everything; a member about what its own project owns, for its own project's
 * principals. `blob-not-found`, `forbidden`.
 */
export async function explain(
  ports: ExplainPorts,
  caller: Principal,
  { about, asking, at }: Question,
  signal: AbortSignal,
): Promise<Explained> {
  const all = isAdmin(caller) || caller.roles.includes("auditor");
  const resolved = "url" in about ? imagine(about, caller) : await find(ports, about);
  if (!all) requireOwn(caller, resolved, asking);
  const { policy } = ports;
  const { current } = policy;
  const subject = subjectOf(resolved.artifact, resolved.blob);
  const { principal, address } = asking;
  const { access, content } = current.matching(subject, principal, address);
  const rules = current.contentRules(subject);
  const location = resolved.blob.location?.kind === "external" ? resolved.blob.location : undefined;
  const outcome = await foresee(ports, resolved, asking);
  return {
    version: current.version,
    resolved,
    access: { ...current.decideAccess(subject, principal, address), matching: access },
    content: rules,
    contentRules: content,
    prefetchAt: prefetchTime(rules, at),
    location,
    redirectable: location !== undefined && isRedirectable(ports, location),
    // What a name leads to inside is not for a member to learn.
    address: location === undefined || !all ? undefined : await ports.addresses.verdict(location, signal),
    mirrors: resolved.mirrors.flatMap((mirror) =>
      mirror.location?.kind === "external"
        ? [{ ref: mirror, url: mirror.location.url, objection: objectionToMirror(ports, resolved, mirror) }]
        : [],
    ),
    outcome,
  };
}

async function find(ports: ExplainPorts, { ref, type }: { readonly ref: BlobRef; readonly type: string }) {
  const resolved = await ports.blobs.resolve(ref);
  if (resolved?.artifact.type === type) return resolved;
  throw new CisternError("blob-not-found", "there is no such blob");
}

function requireOwn(caller: Principal, { artifact }: ResolvedBlob, { principal }: Asking): void {
  const own = caller.project !== "" && mayWrite(caller);
  if (!own || artifact.owner !== caller.project) {
    const visible = artifact.visibility === "public" && artifact.status === "active";
    if (visible) throw new CisternError("forbidden", "a member asks about what its own project owns");
    throw new CisternError("blob-not-found", "there is no such blob");
  }
  if (principal.project !== caller.project) {
    throw new CisternError("forbidden", "a member asks for principals of its own project");
  }
}

/** As it would be resolved after its registration by the caller. */
function imagine({ artifact, url, digests, size }: Imagined, caller: Principal): ResolvedBlob {
  const now = new Date();
  const ref = { artifactId: "" as ArtifactId, field: "file", key: "" };
  const setBy = isAdmin(caller) || caller.roles.includes("auditor") ? "admin" : "member";
  return {
    artifact: {
      ...artifact,
      id: ref.artifactId,
      version: "0.0.0",
      status: "active",
      description: "",
      metadata: {},
      fields: {},
      createdAt: now,
      updatedAt: now,
      activatedAt: now,
      revision: 1,
    },
    blob: {
      ...ref,
      id: "" as BlobId,
      location: { kind: "external", url, setBy },
      digests,
      size,
      digestSource: undefined,
      contentType: "application/octet-stream",
    },
    mirrors: [],
    content: undefined,
    admittedElsewhere: false,
  };
}

function prefetchTime({ prefetch }: ContentRules, at: Date): Date | undefined {
  if (prefetch === undefined) return undefined;
  return prefetch.value === "on-register" ? at : nextStart(prefetch.value, at);
}

function isRedirectable({ redirectHosts }: ExplainPorts, location: ExternalLocation): boolean {
  // Of the conditions only the origin's own is asked: the URL as it would be without a query.
  const { origin, pathname } = new URL(location.url);
  const plain = { ...location, url: `${origin}${pathname}` };
  return "url" in redirectTarget({ location: plain, digests: { md5: "" } }, redirectHosts, false);
}
