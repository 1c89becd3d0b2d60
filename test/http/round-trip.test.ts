import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { artifactOf, call, PATCH_TYPE } from "./call.ts";
import { type Edge, openEdge } from "./edge.ts";

let edge: Edge;
let member = "";

beforeAll(async () => {
  edge = await openEdge();
  member = await edge.token("blue", ["member"]);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

const line = (minLength: number, maxLength: number) =>
  fc
    .oneof(
      fc.string({ unit: "grapheme", minLength, maxLength: Math.min(maxLength, 60) }),
      fc.string({ unit: "binary", minLength, maxLength: Math.min(maxLength, 60) }),
      fc.constantFrom(
        "__proto__",
        "constructor",
        "'; DROP TABLE artifacts; --",
        "\\N",
        "{1,2}",
        '"',
        "%",
        "\ufeff",
        "\u202e",
      ),
    )
    .filter((text) => text.length >= minLength && text.length <= maxLength && text.isWellFormed())
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
    .filter((text) => !/[\u0000-\u001f\u007f]/.test(text));

const members = fc.record({
  name: line(1, 255),
  description: fc.oneof(
    line(0, 4096),
    line(0, 1000).map((text) => `${text}\r\n\t${text}`),
  ),
  tags: fc.uniqueArray(
    line(1, 255).filter((tag) => !/[,/]/.test(tag)),
    { maxLength: 5 },
  ),
  metadata: fc
    .array(fc.tuple(line(1, 255), line(0, 1024)), { maxLength: 5 })
    .map((entries): Record<string, string> => Object.fromEntries(entries)),
  min_ram: fc.option(fc.nat(2 ** 31 - 1)),
  os_distro: fc.option(line(1, 255)),
});

test("whatever text is taken comes back as it was given, by creation and by patch", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(members, members, async (first, second) => {
      const created = await call(edge.port, "POST", "/artifacts/images", { token: member, json: first });
      const path = `/artifacts/images/${artifactOf(created).id}`;
      expect(picked(created.json())).toEqual(asJson(first));
      const json = Object.entries(second).map(([name, value]) => ({ op: "replace", path: `/${name}`, value }));
      const headers = { "Content-Type": PATCH_TYPE };
      const patched = await call(edge.port, "PATCH", path, { token: member, json, headers });
      artifactOf(patched);
      const shown = await call(edge.port, "GET", path, { token: member });
      expect(picked(shown.json())).toEqual(asJson(second));
      const query = `/artifacts/images?name=${encodeURIComponent(second.name)}`;
      expect((await call(edge.port, "GET", query, { token: member })).json()).toMatchObject({ total_count: 1 });
      expect((await call(edge.port, "DELETE", path, { token: member })).status).toBe(204);
    }),
    { numRuns: 100, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: false },
  );
});

/** The given members, in JSON, so that a member named `__proto__` is compared too. */
function picked(artifact: unknown): unknown {
  const { name, description, tags, metadata, min_ram, os_distro } = artifact as Record<string, unknown>;
  return asJson({ name, description, tags, metadata, min_ram, os_distro });
}

function asJson({ metadata, ...rest }: Record<string, unknown>): unknown {
  return { ...rest, metadata: Object.entries(metadata as object).toSorted(([a], [b]) => (a < b ? -1 : 1)) };
}
