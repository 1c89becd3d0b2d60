import type { Artifact } from "../domain/artifact.ts";
import type { BlobRef } from "../domain/blob.ts";
import { type Digests, hasAnyDigest } from "../domain/digest.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import type { ExternalLocation } from "../domain/location.ts";
import type { CompiledPolicy } from "../domain/policy/compile.ts";
import { subjectOf } from "../domain/policy/subject.ts";
import type { Principal } from "../domain/principal.ts";
import { recordOf } from "./named-blob.ts";

/** What the registration of a location asks of the policy. */
export interface RegistrationPorts {
  readonly policy: { readonly current: CompiledPolicy };
  /** Told when a location is registered, so that what the policy wants done with it is begun; it does not reject. */
  onRegistered(ref: BlobRef, principal: Principal): void;
}

export interface Registration {
  readonly ref: BlobRef;
  readonly location: ExternalLocation;
  readonly digests: Digests;
  readonly size: number | undefined;
}

/** What is recorded of a location must be what the content rules ask for; else `invalid-input` with the rule's name. */
export function requireByPolicy({ policy }: RegistrationPorts, artifact: Artifact, registered: Registration): void {
  const kept = recordOf(artifact, registered.ref);
  const digests = { ...kept?.digests, ...registered.digests };
  const size = kept?.size ?? registered.size;
  const subject = subjectOf(artifact, { location: registered.location, digests, size });
  const denied = policy.current.deniedToAll(subject);
  if (denied !== undefined) {
    throw new CisternError("policy-denied", `the policy's rule "${denied.rule}" denies everybody what this origin has`);
  }
  const { require, maxSize } = policy.current.contentRules(subject);
  if (require.value !== "none" && !hasAnyDigest(digests)) {
    throw invalid(
      "location.sha256",
      `must be given (or sha512, sha1, md5): the policy's rule "${require.rule}" asks for a checksum of what is fetched from there`,
    );
  }
  if (maxSize !== undefined && size !== undefined && size > maxSize.value) {
    throw invalid(
      "location.size",
      `must be at most ${maxSize.value}: the policy's rule "${maxSize.rule}" lets in no more`,
    );
  }
}
