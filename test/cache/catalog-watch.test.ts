import { expect, test } from "vitest";
import { applyChange, type WatchPorts } from "../../src/cache/catalog-watch.ts";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { BlobId } from "../../src/domain/blob.ts";
import type { CatalogChange } from "../../src/domain/catalog-changes.ts";
import type { Fence, ObjectName } from "../../src/domain/content.ts";
import { type Sha256, sha256 } from "../../src/domain/digest.ts";
import type { FillId } from "../../src/domain/fill-entry.ts";
import type { TokenId } from "../../src/domain/token.ts";

const ref = { artifactId: "a" as ArtifactId, field: "image", key: "" };
const hex = sha256("ab".repeat(32));

/** What a change asks of the parts, by name. */
function asked(change: CatalogChange): readonly (readonly unknown[])[] {
  const calls: unknown[][] = [];
  const part = (name: string) =>
    new Proxy(
      {},
      {
        get:
          (_, method) =>
          (...given: unknown[]) =>
            void calls.push([`${name}.${String(method)}`, ...given]),
      },
    );
  const ports = {
    resolver: part("resolver"),
    fills: part("fills"),
    tombstones: part("tombstones"),
    policy: part("policy"),
    forgetToken: (id: TokenId | undefined) => void calls.push(["forgetToken", id]),
    onCapacity: () => void calls.push(["onCapacity"]),
    onFill: () => void calls.push(["onFill"]),
    onUnknown: () => void calls.push(["onUnknown"]),
    onGone: ({ fence }: ObjectName) => void calls.push(["onGone", fence]),
    onDamaged: ({ fence }: ObjectName) => void calls.push(["onDamaged", fence]),
    onBlock: (digest: Sha256) => void calls.push(["onBlock", digest]),
  };
  applyChange(change, ports as unknown as WatchPorts);
  return calls;
}

const grave = { ref, caller: "c", anew: false };

test.each<[CatalogChange, readonly (readonly unknown[])[]]>([
  [
    { kind: "artifact", id: ref.artifactId },
    [
      ["resolver.forgetArtifact", "a"],
      ["fills.narrowArtifact", "a"],
    ],
  ],
  [
    { kind: "blob", ref },
    [
      ["resolver.forget", ref],
      ["fills.narrow", ref],
    ],
  ],
  [
    { kind: "blob-removed", id: "b" as BlobId, ref },
    [
      ["resolver.forget", ref],
      ["fills.release", ["b"]],
    ],
  ],
  [{ kind: "content", sha256: hex, fence: 7 as Fence, state: "admitted" }, [["resolver.forgetContent", hex]]],
  [
    { kind: "content", sha256: hex, fence: 7 as Fence, state: "condemned" },
    [
      ["resolver.forgetContent", hex],
      ["onGone", 7],
    ],
  ],
  [
    { kind: "content", sha256: hex, fence: 7 as Fence, state: "quarantined" },
    [
      ["resolver.forgetContent", hex],
      ["onDamaged", 7],
    ],
  ],
  [{ kind: "block", sha256: hex }, [["onBlock", hex]]],
  [{ kind: "token", id: "t" as TokenId }, [["forgetToken", "t"]]],
  [{ kind: "fill", id: "f" as FillId }, [["onFill"]]],
  [{ kind: "grave", grave }, [["tombstones.hear", grave]]],
  [{ kind: "capacity" }, [["onCapacity"]]],
  [{ kind: "policy", version: 2 }, [["policy.notice"]]],
  [
    { kind: "unknown" },
    [["policy.notice"], ["resolver.doubt"], ["fills.narrowAll"], ["forgetToken", undefined], ["onFill"], ["onUnknown"]],
  ],
])("a change of kind $kind is applied", (change, calls) => {
  expect(asked(change)).toEqual(calls);
});
