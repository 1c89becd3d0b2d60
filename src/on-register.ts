import { prefetchRegistered, type RuledPrefetchPorts } from "./cache/prefetch-by-rule.ts";
import type { BlobRef } from "./domain/blob.ts";
import type { BlobCatalog } from "./domain/blob-catalog.ts";
import type { Events } from "./domain/events.ts";
import type { Principal } from "./domain/principal.ts";
import type { Reading } from "./reading.ts";

/** Begins what the policy wants done with a location as soon as it is registered; what fails is told. */
export function onRegister(
  { resolver, fills, policy }: Reading,
  blobs: Pick<BlobCatalog, "joinContent">,
  prefetches: RuledPrefetchPorts,
  events: Events,
): (ref: BlobRef, principal: Principal) => void {
  const begin = async (ref: BlobRef, principal: Principal) => {
    const resolved = await resolver.fresh(ref);
    if (resolved === undefined || resolved.content !== undefined) return;
    // What others have and this record may not is fetched as if nobody had it (I6).
    if (resolved.admittedElsewhere && (await blobs.joinContent(resolved.blob.id))) return;
    // Queued: it takes its turn, and is tried again when it fails. What is to be verified is fetched now.
    await prefetchRegistered(resolved, prefetches);
    if (policy.contentRules(resolved).verify.value !== "on-register") return;
    const { mode } = policy.decide(resolved, principal, principal.address);
    if (mode === "deny" || fills.find(resolved, 0) !== undefined) return;
    fills.start(resolved, mode !== "proxy");
  };
  return (ref, principal) => {
    begin(ref, principal).catch((cause) => events.emit({ kind: "job-failed", job: "on-register", cause }));
  };
}
