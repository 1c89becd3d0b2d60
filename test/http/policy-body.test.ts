import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { CisternError } from "../../src/domain/errors.ts";
import { parsePolicy } from "../../src/http/policy-body.ts";

const EXAMPLE = {
  access: [
    { name: "hypervisors", description: "get the cache", match: { clients: ["10.0.0.0/8"] }, mode: "cache" },
    {
      name: "office",
      match: {
        principal: { roles: ["reader"] },
        origin: { schemes: ["https"], hosts: ["*.example"], paths: ["/images/**"] },
      },
      mode: "redirect",
    },
    { name: "bad", match: { digests: [`sha256:${"A".repeat(64)}`] }, mode: "deny" },
  ],
  content: [
    { name: "big", match: { size: { min: 1 } }, max_age: "P30D", min_age: "PT1H", on_full: "queue", max_size: 10 },
    { name: "night", prefetch: { from: "22:00", to: "06:00", time_zone: "Europe/Berlin" }, require: "checksum" },
  ],
};

describe("a policy's document", () => {
  test("of the README is one", async () => {
    const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
    const example = /```json\n(\{\n {2}"access"[^`]*)```/.exec(readme)?.[1] ?? "";
    expect(parsePolicy(JSON.parse(example)).document.content.map(({ name }) => name)).toContain("by night");
  });

  test("is parsed, and kept as it was given", () => {
    const { wire, document } = parsePolicy(EXAMPLE);
    expect(wire).toEqual(EXAMPLE);
    expect(document.access[2]?.match.digests).toEqual([{ algorithm: "sha256", hex: "a".repeat(64) }]);
    expect(document.content[0]?.set).toMatchObject({ maxAge: 30 * 86_400_000, minAge: 3_600_000, maxSize: 10 });
    expect(document.content[1]?.set.prefetch).toMatchObject({ timeZone: "Europe/Berlin", from: "22:00" });
    expect(parsePolicy({ access: [], content: [] }).document).toEqual({ access: [], content: [] });
  });

  test("an unknown field is named by its path", () => {
    const content = [{ name: "a" }, { name: "b" }, { name: "c" }, { name: "d", on_ful: "pass" }];
    expect(problems({ access: [], content })).toEqual(["unknown-field", "content.3.on_ful"]);
    expect(problems({ access: [], content: [], note: 1 })).toEqual(["unknown-field", "note"]);
    expect(
      problems({ access: [{ name: "a", mode: "deny", match: { origin: { host: ["x"] } } }], content: [] }),
    ).toEqual(["unknown-field", "access.0.match.origin.host"]);
    expect(
      problems({
        access: [],
        content: [{ name: "a", prefetch: { from: "22:00", to: "06:00", time_zone: "UTC", tz: 1 } }],
      }),
    ).toEqual(["unknown-field", "content.0.prefetch.tz"]);
  });

  test("a signature is refused with the reason, for none is verified", () => {
    const error = refusal({ access: [], content: [{ name: "a", require: "signature" }] });
    expect(error.fields[0]).toMatchObject({
      field: "content.0.require",
      rule: expect.stringContaining("verifies no signatures"),
    });
  });

  test.each([
    ["access.0.mode", { access: [{ name: "a", mode: "allow" }], content: [] }],
    ["access.0.name", { access: [{ mode: "deny" }], content: [] }],
    ["access.0.name", access({ name: "" })],
    ["access.0.name", access({ name: "built-in" })],
    ["access.0.name", access({ name: "x".repeat(101) })],
    ["access.0.name", access({ name: "a\nb" })],
    [
      "access.1.name",
      {
        access: [
          { name: "a", mode: "deny" },
          { name: "a", mode: "deny" },
        ],
        content: [],
      },
    ],
    ["access.0.description", access({ description: "x".repeat(1001) })],
    ["access.0.match.clients", access({ match: { clients: [] } })],
    ["access.0.match.clients.0", access({ match: { clients: ["10.0.0.1/8"] } })],
    ["access.0.match.clients.1", access({ match: { clients: ["::1", "x"] } })],
    ["access.0.match.clients", access({ match: { clients: new Array(65).fill("::1") } })],
    ["access.0.match.digests.0", access({ match: { digests: ["sha256:abc"] } })],
    ["access.0.match.digests.0", access({ match: { digests: ["crc:abc"] } })],
    ["access.0.match.origin.hosts.0", access({ match: { origin: { hosts: ["https://a"] } } })],
    ["access.0.match.origin.hosts.0", access({ match: { origin: { hosts: ["a:80"] } } })],
    ["access.0.match.origin.hosts.0", access({ match: { origin: { hosts: ["a/b"] } } })],
    ["access.0.match.origin.hosts.0", access({ match: { origin: { hosts: ["***"] } } })],
    ["access.0.match.origin.hosts.0", access({ match: { origin: { hosts: ["*a".repeat(17)] } } })],
    ["access.0.match.origin.paths.0", access({ match: { origin: { paths: ["x"] } } })],
    ["access.0.match.origin.paths.0", access({ match: { origin: { paths: ["/a/../b"] } } })],
    ["access.0.match.origin.paths.0", access({ match: { origin: { paths: ["/a?b"] } } })],
    ["access.0.match.origin.paths.0", access({ match: { origin: { paths: ["/a%zz"] } } })],
    ["access.0.match.origin.ports.0", access({ match: { origin: { ports: [0] } } })],
    ["access.0.match.artifact.names.0", access({ match: { artifact: { names: ["x".repeat(256)] } } })],
    ["access.0.match.principal.roles.0", access({ match: { principal: { roles: ["root"] } } })],
    ["content.0.pin_for", content({ pin_for: "7 days" })],
    ["content.0.pin_for", content({ pin_for: "PT0S" })],
    ["content.0.max_age", content({ max_age: "P3651D" })],
    ["content.0.min_age", content({ min_age: "P2D", max_age: "P1D" })],
    ["content.0.revalidate_every", content({ revalidate_every: "PT1S" })],
    ["content.0.max_size", content({ max_size: -1 })],
    ["content.0.max_size", content({ max_size: 1.5 })],
    ["content.0.max_size", content({ max_size: "10GiB" })],
    ["content.0.match.size", content({ match: { size: { min: 2, max: 1 } } })],
    ["content.0.prefetch", content({ prefetch: "later" })],
    ["content.0.prefetch.from", content({ prefetch: { from: "25:00", to: "06:00", time_zone: "UTC" } })],
    ["content.0.prefetch.time_zone", content({ prefetch: { from: "22:00", to: "06:00", time_zone: "Mars/Base" } })],
    ["content.0.on_full", content({ on_full: null })],
    [
      "access",
      { access: new Array(501).fill(0).map((_, index) => ({ name: `r${index}`, mode: "deny" })), content: [] },
    ],
    ["content", { access: [] }],
    ["body", "text"],
    ["body", null],
    [
      "body",
      {
        access: new Array(400)
          .fill(0)
          .map((_, index) => ({ name: `r${index}`, description: "x".repeat(900), mode: "deny" })),
        content: [],
      },
    ],
  ])("%s is named when it breaks a rule (%#)", (field, body) => {
    expect(problems(body)).toEqual(["invalid-input", field]);
  });
});

function access(part: object) {
  return { access: [{ name: "a", mode: "deny", ...part }], content: [] };
}

function content(part: object) {
  return { access: [], content: [{ name: "a", ...part }] };
}

function problems(body: unknown): readonly (string | undefined)[] {
  const { code, fields } = refusal(body);
  return [code, ...fields.map(({ field }) => field)];
}

function refusal(body: unknown): CisternError {
  try {
    parsePolicy(body);
  } catch (error) {
    if (error instanceof CisternError) return error;
    throw error;
  }
  throw new Error("it was taken");
}
