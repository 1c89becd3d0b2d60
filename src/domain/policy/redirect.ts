import type { BlobRecord } from "../blob.ts";
import { hasAnyDigest } from "../digest.ts";
import { hostMatches } from "../host-pattern.ts";
import { urlHasSecret } from "../location.ts";

/** Why a client is not sent elsewhere, in words that name the condition. */
export interface NotRedirected {
  readonly condition: string;
}

/**
 * The URL to send a client to, under mode `redirect`, for content that is not cached; else the condition
 * that does not hold: then the request is served as in mode `cache`. A client that
 * would send its token again to whatever host a redirect names is never redirected.
 *
 * @param hosts host patterns to which clients may be sent
 */
export function redirectTarget(
  { location, digests }: Pick<BlobRecord, "location" | "digests">,
  hosts: readonly string[],
  sendsTokenOn: boolean,
): { readonly url: string } | NotRedirected {
  if (location?.kind !== "external") return { condition: "the blob has no external location" };
  if (sendsTokenOn) return { condition: "the client would send its token on to the origin" };
  if (!hasAnyDigest(digests)) return { condition: "no digest is recorded" };
  if (urlHasSecret(location.url)) return { condition: "the URL carries a secret" };
  // Any query may be a permission: only a plain path is given away.
  if (location.url.includes("?")) return { condition: "the URL has a query, which may be a permission" };
  const redirectable = hosts.some((pattern) => hostMatches(pattern, location.url));
  return redirectable
    ? { url: location.url }
    : { condition: `${new URL(location.url).host} is none of CISTERN_REDIRECT_HOSTS` };
}
