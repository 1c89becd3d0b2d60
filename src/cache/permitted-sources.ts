import type { ResolvedBlob } from "../domain/blob.ts";
import { hasAnyDigest } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import type { ExternalLocation } from "../domain/location.ts";
import type { ContentRules } from "../domain/policy/content-rules.ts";
import type { FillPermits } from "./fill-plan.ts";
import type { PolicyInForce } from "./policy-in-force.ts";

/** What a fill asks of the policy. */
export type FillPolicy = Pick<PolicyInForce, "contentRules" | "deniedToAll">;

/**
 * The locations that a fill of this blob may read from, in the order in which they are tried: the
 * rules are asked for each, for a mirror may be of an origin that they ask more of. `policy-denied`
 * when none is left, for the reason that the first is not there.
 */
export function permittedSources(resolved: ResolvedBlob, policy: FillPolicy): readonly ExternalLocation[] {
  const { blob, mirrors } = resolved;
  const sources = [blob, ...mirrors].flatMap(({ location }) => (location?.kind === "external" ? [location] : []));
  const objections = sources.map((location) => objectionTo(resolved, location, policy));
  const permitted = sources.filter((_, index) => objections[index] === undefined);
  const [first] = objections;
  if (permitted.length === 0 && first !== undefined) throw first;
  return permitted;
}

/** What is asked while the fill goes on: a size that was not known before, and where redirects lead. */
export function permitsOf(resolved: ResolvedBlob, policy: FillPolicy): FillPermits {
  const { location } = resolved.blob;
  return {
    size: (bytes) => requireSize(policy.contentRules(resolved, bytes), bytes),
    hop(url) {
      const setBy = location?.kind === "external" ? location.setBy : "member";
      const objection = objectionTo(resolved, { kind: "external", url, setBy }, policy);
      if (objection !== undefined) throw objection;
    },
  };
}

function objectionTo(resolved: ResolvedBlob, location: ExternalLocation, policy: FillPolicy): CisternError | undefined {
  const denied = policy.deniedToAll(resolved, location);
  if (denied !== undefined) {
    return new CisternError("policy-denied", `the policy's rule "${denied}" denies everybody what this origin has`);
  }
  const { digests, size } = resolved.blob;
  const rules = policy.contentRules(
    location === resolved.blob.location ? resolved : { ...resolved, blob: { ...resolved.blob, location } },
  );
  const { value, rule } = rules.require;
  if (value !== "none" && !hasAnyDigest(digests)) {
    const asks = `the policy's rule "${rule}" asks for a recorded checksum`;
    return new CisternError("policy-denied", `${asks}: none is recorded of this blob, so nothing is fetched`);
  }
  return sizeObjection(rules, size);
}

function requireSize(rules: ContentRules, size: number): void {
  const objection = sizeObjection(rules, size);
  if (objection !== undefined) throw objection;
}

/** That so many bytes are more than the rules let in. */
function sizeObjection({ maxSize }: ContentRules, size: number | undefined): CisternError | undefined {
  if (maxSize === undefined || size === undefined || size <= maxSize.value) return undefined;
  const limit = `the policy's rule "${maxSize.rule}" lets in ${maxSize.value} bytes at most`;
  return new CisternError("policy-denied", `${limit}: this content is larger`);
}
