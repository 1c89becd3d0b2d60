import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { CatalogChange, CatalogChanges } from "../../src/domain/catalog-changes.ts";
import type { ContentState } from "../../src/domain/content-inventory.ts";
import type { TokenId } from "../../src/domain/token.ts";
import { Heard } from "../catalog/heard.ts";
import {
  type CatalogPorts,
  condemn,
  fill,
  imageOf,
  located,
  mirrorOf,
  someContent,
  someLocation,
} from "../catalog/records.ts";
import { newFill, type QueuePorts } from "./fill-queue.ts";

/** What changes of a catalog that others write are told; `ports` answers the writer's catalog and the listener's. */
export function catalogChangesConformance(
  name: string,
  ports: () => { readonly writer: CatalogPorts & QueuePorts; readonly changes: CatalogChanges },
): void {
  describe(`${name} tells what others commit`, () => {
    test("that nothing may be trusted, when it begins to listen", async () => {
      const heard = new Heard();
      await using _ = await ports().changes.listen(heard.hear);
      expect(heard.all).toEqual([{ kind: "unknown" }]);
    });

    test("that an artifact is another one now, or gone", async () => {
      const { writer, changes } = ports();
      const { artifact, ref, blob } = await located(writer);
      await using listening = await listen(changes);
      await writer.artifacts.update(artifact.id, artifact.revision, { status: "active" });
      await listening.until({ kind: "artifact", id: artifact.id });
      listening.forget();
      await writer.artifacts.remove(artifact.id);
      await listening.until({ kind: "artifact", id: artifact.id });
      await listening.until({ kind: "blob-removed", id: blob.id, ref });
    });

    test("that a blob has a location, another one, or none", async () => {
      const { writer, changes } = ports();
      const { artifact } = await located(writer);
      await using listening = await listen(changes);
      // Quotes, and characters of four bytes: as long as keys may be.
      const ref = mirrorOf(artifact, `"${"𝄞".repeat(127)}`);
      const digests = { sha256: someContent().digests.sha256 };
      const { url } = someLocation();
      const blob = await writer.blobs.setLocation(ref, someLocation({ url, digests }), undefined);
      await listening.until({ kind: "blob", ref });
      listening.forget();
      await writer.blobs.setLocation(ref, someLocation({ digests }), url);
      await listening.until({ kind: "blob", ref });
      await writer.blobs.removeLocation(ref);
      await listening.until({ kind: "blob-removed", id: blob.id, ref });
    });

    test("that a content came, is condemned, comes back, and is gone, with the blobs that earn or lose it", async () => {
      const { writer, changes } = ports();
      const content = someContent();
      const { sha256 } = content.digests;
      const { ref, blob } = await located(writer);
      await using listening = await listen(changes);
      const fence = async () => {
        const known = await writer.ledger.generation(sha256);
        if (known === undefined) throw new Error("it has no row");
        return known;
      };
      const step = async (state: ContentState | "gone", work: () => Promise<unknown>) => {
        const before = await writer.ledger.generation(sha256);
        listening.forget();
        await work();
        await listening.until({ kind: "content", sha256, fence: before ?? (await fence()), state });
      };
      await step("admitted", () => fill(writer, content, blob));
      await listening.until({ kind: "blob", ref });
      await step("condemned", () => condemn(writer, sha256));
      await listening.until({ kind: "blob", ref });
      await step("admitted", () => fill(writer, content, blob));
      await step("condemned", () => condemn(writer, sha256));
      const object = { sha256, fence: await fence() };
      await step("gone", () => writer.contents.forget(object));
    });

    test("that a token was changed or revoked", async () => {
      const { writer, changes } = ports();
      const token = {
        id: randomUUID() as TokenId,
        name: "nova",
        project: "compute",
        roles: [],
        cidrs: [],
        createdAt: new Date(),
        expiresAt: undefined,
        revokedAt: undefined,
      };
      await writer.tokens.put(token, randomUUID());
      await using listening = await listen(changes);
      await writer.tokens.put(token, randomUUID());
      await listening.until({ kind: "token", id: token.id });
      listening.forget();
      await writer.tokens.revoke(token.id);
      await listening.until({ kind: "token", id: token.id });
    });

    test("that another policy is in force", async () => {
      const { writer, changes } = ports();
      await using listening = await listen(changes);
      const before = (await writer.policies.current())?.version ?? 0;
      await writer.policies.replace(before, { document: "{}", madeBy: "t", note: "" });
      await listening.until({ kind: "policy", version: before + 1 });
    });

    test("nothing of leases, reads, and what was not committed", async () => {
      const { writer, changes } = ports();
      const content = someContent();
      const { artifact, blob } = await located(writer);
      await fill(writer, content, blob);
      await using listening = await listen(changes);
      const answer = await writer.leases.take(randomUUID(), "holder", 60_000);
      if (answer.kind !== "taken") throw new Error("a key that nobody else knows is held");
      await writer.leases.renew(answer.lease, 60_000);
      await writer.leases.release(answer.lease);
      await writer.ledger.touch(new Map([[content.digests.sha256, { at: new Date(Date.now() + 60_000), count: 1 }]]));
      const stale = writer.artifacts.update(artifact.id, artifact.revision + 1, { description: "no" });
      await expect(stale).rejects.toMatchObject({ code: "precondition-failed" });
      const contrary = writer.blobs.setLocation(imageOf(artifact), someLocation(), undefined);
      await expect(contrary).rejects.toMatchObject({ code: "conflict" });
      await writer.artifacts.remove(artifact.id);
      await listening.until({ kind: "artifact", id: artifact.id });
      const last = ["artifact", "blob-removed", "content"];
      expect(listening.heard.all.filter(({ kind }) => !last.includes(kind))).toEqual([]);
    });

    test("that a fill is asked for, or is to stop; not how far it is", async () => {
      const { writer, changes } = ports();
      await using listening = await listen(changes);
      const { fill } = await writer.fillQueue.add(newFill());
      const change = { kind: "fill", id: fill.id } as const;
      await listening.until(change);
      const limits = { perOrigin: 1_000, perProject: 1_000 };
      const claimed = await writer.fillWork.claim("prefetch", "one", limits, 60_000);
      listening.forget();
      const progress = { id: fill.id, bytes: 1, total: undefined, rate: 0, followers: 0 };
      await writer.fillWork.renew("one", [progress], 60_000);
      await writer.fillQueue.cancel(claimed?.id ?? fill.id, false);
      await listening.until({ kind: "fill", id: claimed?.id ?? fill.id });
      expect(listening.heard.all).toHaveLength(1);
    });

    test("to all who listen, until they end it", async () => {
      const { writer, changes } = ports();
      const { artifact } = await located(writer);
      const change = { kind: "artifact", id: artifact.id } as const;
      await using one = await listen(changes);
      const other = await listen(changes);
      const next = await writer.artifacts.update(artifact.id, artifact.revision, { description: "one" });
      await Promise.all([one.until(change), other.until(change)]);
      await other[Symbol.asyncDispose]();
      for (const listening of [one, other]) listening.forget();
      await writer.artifacts.update(artifact.id, next.revision, { description: "two" });
      await one.until(change);
      expect(other.heard.all).toEqual([]);
    });
  });
}

/** Listens, and has forgotten what every listener is told first. */
async function listen(changes: CatalogChanges) {
  const heard = new Heard();
  const listening = await changes.listen(heard.hear);
  heard.forget();
  return {
    heard,
    until: (change: CatalogChange) => heard.until(change),
    forget: () => heard.forget(),
    [Symbol.asyncDispose]: () => listening[Symbol.asyncDispose](),
  };
}
