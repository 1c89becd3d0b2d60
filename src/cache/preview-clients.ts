import type { CompiledPolicy } from "../domain/policy/compile.ts";
import type { AccessMode } from "../domain/policy/document.ts";
import { redirectTarget } from "../domain/policy/redirect.ts";
import { subjectOf } from "../domain/policy/subject.ts";
import type { Principal } from "../domain/principal.ts";
import type { Asker } from "./recent-askers.ts";

/** A client that has asked for this artifact, and would be redirected or denied the next time, and is not now. */
export interface AffectedClient {
  readonly principal: Principal;
  readonly artifact: Asker["artifact"];
  readonly before: AccessMode;
  readonly mode: "redirect" | "deny";
  readonly rule: string;
}

/** What becomes of those who asked lately, when they ask for the same again. */
export function affectedClients(
  askers: readonly Asker[],
  policies: { readonly before: CompiledPolicy; readonly after: CompiledPolicy },
  redirectHosts: readonly string[],
): readonly AffectedClient[] {
  return askers.flatMap(({ principal, artifact, blob }) => {
    const subject = subjectOf(artifact, blob);
    const before = policies.before.decideAccess(subject, principal, principal.address).mode;
    const { mode, rule } = policies.after.decideAccess(subject, principal, principal.address);
    if (mode === before || (mode !== "deny" && mode !== "redirect")) return [];
    if (mode === "redirect" && !("url" in redirectTarget(blob, redirectHosts, false))) return [];
    return [{ principal, artifact, before, mode, rule }];
  });
}
