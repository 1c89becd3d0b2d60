import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { BlobRef } from "../../src/domain/blob.ts";
import { EVERYBODY, type Grave, type Graves } from "../../src/domain/graves.ts";

/** What all graves do; `make` answers ones that tests share. */
export function gravesConformance(name: string, make: () => Graves): void {
  const somePlace = (): BlobRef => ({ artifactId: randomUUID() as ArtifactId, field: "image", key: "" });
  const of = async (ref: BlobRef): Promise<readonly Grave[]> =>
    (await make().list()).filter((grave) => grave.ref.artifactId === ref.artifactId);

  describe(`${name} keeps graves`, () => {
    test("what was written last about a caller stands", async () => {
      const ref = somePlace();
      await make().write([
        { ref, caller: "a", anew: false },
        { ref, caller: "b", anew: false },
      ]);
      await make().write([{ ref, caller: "a", anew: true }]);
      expect([...(await of(ref))].sort((x, y) => x.caller.localeCompare(y.caller))).toEqual([
        { ref, caller: "a", anew: true },
        { ref, caller: "b", anew: false },
      ]);
    });

    test("one for everybody ends all of the blob that began anew, and no other blob's", async () => {
      const [ref, other] = [somePlace(), somePlace()];
      await make().write([
        { ref, caller: "a", anew: true },
        { ref, caller: "b", anew: false },
        { ref: other, caller: "a", anew: true },
      ]);
      await make().write([{ ref, caller: EVERYBODY, anew: false }]);
      const callers = (await of(ref)).map(({ caller }) => caller).sort();
      expect(callers).toEqual([EVERYBODY, "b"]);
      expect(await of(other)).toHaveLength(1);
    });

    test("many at once, the same ones from several sides, in any order", async () => {
      const ref = somePlace();
      const graves = Array.from({ length: 1_200 }, (_, n) => ({ ref, caller: `caller-${n}`, anew: false }));
      await Promise.all([make().write(graves), make().write(graves.toReversed()), make().write(graves)]);
      expect(await of(ref)).toHaveLength(1_200);
      await make().expire();
      expect(await of(ref)).toHaveLength(1_200);
    });
  });
}
