import type { ResolvedBlob } from "../domain/blob.ts";
import { hasAnyDigest } from "../domain/digest.ts";
import { hostMatches } from "../domain/host-pattern.ts";
import { urlHasSecret } from "../domain/location.ts";
import type { Policy } from "../domain/policy.ts";

/**
 * The URL to send the client to, under mode `redirect`; undefined: this request is served as in
 * mode `cache`. OpenStack's clients, curl and wget send an `X-Auth-Token` again to whatever host a
 * redirect names, so such a request is never redirected.
 */
export function redirectTarget(resolved: ResolvedBlob, policy: Policy, withAuthToken: boolean): string | undefined {
  const { location, digests } = resolved.blob;
  if (policy.mode !== "redirect" || withAuthToken || location?.kind !== "external") return undefined;
  // Any query may be a permission: only a plain path is given away.
  if (!hasAnyDigest(digests) || urlHasSecret(location.url) || location.url.includes("?")) return undefined;
  return policy.redirectHosts.some((pattern) => hostMatches(pattern, location.url)) ? location.url : undefined;
}
