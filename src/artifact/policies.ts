import type { AuditTrail } from "../domain/audit.ts";
import { CisternError } from "../domain/errors.ts";
import type { CompiledPolicy } from "../domain/policy/compile.ts";
import type { PolicyDocument } from "../domain/policy/document.ts";
import type { PolicyCatalog, PolicyVersion, PolicyVersionHead } from "../domain/policy-catalog.ts";
import type { Principal } from "../domain/principal.ts";
import { requireAdmin, seesAll } from "./access.ts";

export interface PolicyPorts {
  readonly policies: PolicyCatalog;
  readonly policy: {
    readonly current: CompiledPolicy;
    /** A document as it would hold here. */
    compile(document: PolicyDocument, version: number): CompiledPolicy;
    /** Puts in force here what was written; the other replicas hear of it. */
    adopt(version: PolicyVersion): void;
  };
  readonly audit: AuditTrail;
}

/** What is to be in force. */
export interface PolicyChange {
  /** JSON, as it is kept. */
  readonly document: string;
  readonly note: string;
}

/** `version`: undefined, the newest; the admin's and the auditor's. `version-not-found`; undefined: none was ever set. */
export async function showPolicy(
  { policies }: PolicyPorts,
  principal: Principal,
  version: number | undefined,
): Promise<PolicyVersion | undefined> {
  requireReader(principal);
  return version === undefined ? await policies.current() : await found(policies, version);
}

/** A page of the versions, newest first. */
export async function listPolicies(
  { policies }: PolicyPorts,
  principal: Principal,
  limit: number,
  before: number | undefined,
): Promise<{ readonly versions: readonly PolicyVersionHead[]; readonly more: boolean }> {
  requireReader(principal);
  const versions = await policies.versions(limit + 1, before);
  return { versions: versions.slice(0, limit), more: versions.length > limit };
}

/**
 * Replaces the whole policy, here at once; `precondition-failed` unless the newest version is the one
 * that the caller saw.
 */
export async function replacePolicy(
  ports: PolicyPorts,
  principal: Principal,
  expected: number,
  change: PolicyChange,
): Promise<PolicyVersion> {
  requireAdmin(principal);
  return await put(ports, principal, "policy.replace", expected, change);
}

/** Puts an older version in force again, as a new one. `version-not-found`. */
export async function restorePolicy(
  ports: PolicyPorts,
  principal: Principal,
  version: number,
  expected: number,
  parse: (document: string) => PolicyDocument,
): Promise<PolicyVersion> {
  requireAdmin(principal);
  const { document } = await found(ports.policies, version);
  // A rule of its time may be none any more.
  parse(document);
  return await put(ports, principal, "policy.restore", expected, { document, note: `restored from ${version}` });
}

async function put(
  { policies, policy, audit }: PolicyPorts,
  principal: Principal,
  action: string,
  expected: number,
  change: PolicyChange,
): Promise<PolicyVersion> {
  const before = await policies.find(expected);
  const written = await policies.replace(expected, { ...change, madeBy: principal.tokenId });
  policy.adopt(written);
  await audit.record({
    principal,
    action,
    object: `policies/${written.version}`,
    ...(before === undefined ? {} : { before: audited(before) }),
    after: audited(written),
  });
  return written;
}

function audited({ version, document, note }: PolicyVersion): unknown {
  return { version, note, ...(JSON.parse(document) as object) };
}

async function found(policies: PolicyCatalog, version: number): Promise<PolicyVersion> {
  const known = await policies.find(version);
  if (known === undefined) throw new CisternError("version-not-found", "there is no such version of the policy");
  return known;
}

function requireReader(principal: Principal): void {
  if (!seesAll(principal)) throw new CisternError("forbidden", "this needs the role admin or auditor");
}
