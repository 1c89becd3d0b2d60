import type { CatalogChange } from "../domain/catalog-changes.ts";
import type { ObjectName } from "../domain/content.ts";
import type { Sha256 } from "../domain/digest.ts";
import type { TokenId } from "../domain/token.ts";
import type { FillRegistry } from "./fill-registry.ts";
import type { PolicyInForce } from "./policy-in-force.ts";
import type { Resolver } from "./resolve.ts";
import type { Tombstones } from "./tombstones.ts";

export interface WatchPorts {
  readonly resolver: Resolver;
  readonly fills: FillRegistry;
  readonly tombstones: Tombstones;
  readonly policy: Pick<PolicyInForce, "notice">;
  /** Forgets a token; with undefined, doubts all of them. */
  forgetToken(id: TokenId | undefined): void;
  /** The limits are others now. */
  onCapacity(): void;
  /** Nobody opens this object any more: what is here of it can go. */
  onGone(object: ObjectName): void;
  /** Its bytes were found to be wrong. */
  onDamaged(object: ObjectName): void;
  /** Bytes were blocked, or a block was lifted. */
  onBlock(sha256: Sha256): void;
  /** The queue of fills has something to do, or something to stop. */
  onFill(): void;
  /** What happened before it was listened for may have been missed. */
  onUnknown(): void;
}

/** Does here what a change that another process made asks for. */
export function applyChange(change: CatalogChange, ports: WatchPorts): void {
  const { resolver, fills } = ports;
  switch (change.kind) {
    case "artifact":
      resolver.forgetArtifact(change.id);
      fills.narrowArtifact(change.id);
      return;
    case "blob":
      resolver.forget(change.ref);
      fills.narrow(change.ref);
      return;
    case "blob-removed":
      resolver.forget(change.ref);
      fills.release([change.id]);
      return;
    case "content":
      resolver.forgetContent(change.sha256);
      if (change.state === "condemned" || change.state === "gone") ports.onGone(change);
      if (change.state === "quarantined") ports.onDamaged(change);
      return;
    case "token":
      ports.forgetToken(change.id);
      return;
    case "grave":
      ports.tombstones.hear(change.grave);
      return;
    case "block":
      ports.onBlock(change.sha256);
      return;
    case "capacity":
      ports.onCapacity();
      return;
    case "policy":
      ports.policy.notice();
      return;
    case "fill":
      ports.onFill();
      return;
    case "unknown":
      ports.policy.notice();
      resolver.doubt();
      fills.narrowAll();
      ports.forgetToken(undefined);
      ports.onFill();
      ports.onUnknown();
  }
}
