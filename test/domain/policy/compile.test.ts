import { BlockList } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compilePolicy } from "../../../src/domain/policy/compile.ts";
import { longestKeep } from "../../../src/domain/policy/content-rules.ts";
import type { AccessRule, ContentRule, ContentSettings } from "../../../src/domain/policy/document.ts";
import { type PolicySubject, subjectOf } from "../../../src/domain/policy/subject.ts";
import type { Principal } from "../../../src/domain/principal.ts";

const HOSTS = ["a.example", "b.example", "a.b.example", "example"];
const PATHS = ["/x", "/x/y", "/z.img"];
const ADDRESSES = ["10.0.0.1", "10.9.9.9", "192.0.2.1", "fd00::1", ""];
const some = <T>(values: readonly T[]) => fc.uniqueArray(fc.constantFrom(...values), { maxLength: 2 });
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });

const artifactMatch = fc.record({
  types: some(["images", "files"]),
  names: some(["cirros", "c*", "**"]),
  tags: some(["prod", "te*"]),
  projects: some(["alpha", "a*", "beta"]),
  visibility: fc.constantFrom(undefined, "private" as const, "public" as const),
});
const originMatch = fc.record({
  schemes: some(["http", "https"] as const),
  hosts: some(["a.example", "*.example", "**.example"]),
  ports: some([80, 443, 8080]),
  paths: some(["/x", "/x/*", "/**", "/*"]),
});
const accessRule: fc.Arbitrary<Omit<AccessRule, "name">> = fc.record({
  description: fc.constant(""),
  mode: fc.constantFrom("cache" as const, "proxy" as const, "redirect" as const, "deny" as const),
  match: fc.record({
    principal: maybe(
      fc.record({
        tokens: some(["t1", "t2"]),
        projects: some(["alpha", "b*"]),
        roles: some(["reader", "member"] as const),
      }),
    ),
    clients: some(["10.0.0.0/8", "10.9.0.0/16", "fd00::/8"]),
    artifact: maybe(artifactMatch),
    origin: maybe(originMatch),
    digests: some([
      { algorithm: "md5" as const, hex: "0".repeat(32) },
      { algorithm: "sha1" as const, hex: "1".repeat(40) },
    ]),
  }),
});
const settings = fc.record(
  {
    require: fc.constantFrom("none" as const, "checksum" as const),
    verify: fc.constantFrom("on-register" as const, "on-first-read" as const),
    prefetch: fc.constant("on-register" as const),
    pinFor: fc.nat(9),
    minAge: fc.nat(9),
    maxAge: fc.nat(9),
    maxSize: fc.nat(9),
    onFull: fc.constantFrom("pass" as const, "queue" as const, "reject" as const),
    revalidateEvery: fc.nat(9),
  },
  { requiredKeys: [] },
);
const contentRule: fc.Arbitrary<Omit<ContentRule, "name">> = fc.record({
  description: fc.constant(""),
  match: fc.record({
    artifact: maybe(artifactMatch),
    origin: maybe(originMatch),
    size: maybe(fc.record({ min: maybe(fc.constant(5)), max: maybe(fc.constant(7)) })),
  }),
  set: settings,
});
const subject: fc.Arbitrary<PolicySubject> = fc
  .record({
    type: fc.constantFrom("images", "files"),
    name: fc.constantFrom("cirros", "ubuntu"),
    tags: some(["prod", "test"]),
    owner: fc.constantFrom("alpha", "beta"),
    visibility: fc.constantFrom("private" as const, "public" as const),
    url: maybe(
      fc
        .tuple(
          fc.constantFrom("http", "https"),
          fc.constantFrom(...HOSTS),
          fc.constantFrom("", ":8080"),
          fc.constantFrom(...PATHS),
        )
        .map(([scheme, host, port, path]) => `${scheme}://${host}${port}${path}?token=x`),
    ),
    setBy: fc.constantFrom("admin" as const, "member" as const),
    md5: fc.constantFrom("0".repeat(32), "2".repeat(32), undefined),
    size: fc.constantFrom(undefined, 4, 6, 8),
  })
  .map(({ url, setBy, md5, size, ...artifact }) =>
    subjectOf(artifact, {
      location: url === undefined ? { kind: "internal" } : { kind: "external", url, setBy },
      digests: md5 === undefined ? {} : { md5 },
      size,
    }),
  );
const principal: fc.Arbitrary<Principal> = fc.record({
  tokenId: fc.constantFrom("t1", "t2", "t3"),
  project: fc.constantFrom("alpha", "beta"),
  roles: some(["reader", "member", "admin"] as const),
  address: fc.constant(""),
});

describe("a policy", () => {
  test("decides about access as a naive reading of its rules does", () => {
    const cases = fc.record({
      rules: fc.array(accessRule, { maxLength: 6 }),
      subject,
      principal,
      address: fc.constantFrom(...ADDRESSES),
    });
    fc.assert(
      fc.property(cases, ({ rules, address, ...asked }) => {
        const access = rules.map((rule, index) => ({ ...rule, name: `rule ${index}` }));
        const policy = compilePolicy({ access, content: [] }, 1, "proxy");
        const expected = access.find((rule) => accessMatches(rule, asked.subject, asked.principal, address));
        expect(policy.decideAccess(asked.subject, asked.principal, address)).toEqual(
          expected === undefined ? { mode: "proxy", rule: "built-in" } : { mode: expected.mode, rule: expected.name },
        );
      }),
      { numRuns: 5_000 },
    );
  });

  test("takes each field of a content's rules from the first rule that matches and sets it", () => {
    const cases = fc.record({ rules: fc.array(contentRule, { maxLength: 6 }), subject });
    fc.assert(
      fc.property(cases, ({ rules, subject: asked }) => {
        const content = rules.map((rule, index) => ({ ...rule, name: `rule ${index}` }));
        const resolved = compilePolicy({ access: [], content }, 1, "cache").contentRules(asked);
        const matching = content.filter((rule) => contentMatches(rule, asked));
        for (const field of Object.keys(resolved) as (keyof ContentSettings)[]) {
          const from = matching.find(({ set }) => set[field] !== undefined);
          if (from !== undefined) expect(resolved[field]).toEqual({ value: from.set[field], rule: from.name });
          else expect(resolved[field]?.rule ?? "built-in").toBe("built-in");
        }
      }),
      { numRuns: 5_000 },
    );
  });

  test("asks for a checksum by itself where a member has set a plain http URL, and nowhere else", () => {
    const requires = (url: string, setBy: "admin" | "member") =>
      compilePolicy({ access: [], content: [] }, 0, "cache").contentRules(
        subjectOf(ARTIFACT, { location: { kind: "external", url, setBy }, digests: {}, size: undefined }),
      ).require.value;
    expect(requires("http://a.example/x", "member")).toBe("checksum");
    expect(requires("https://a.example/x", "member")).toBe("none");
    expect(requires("http://a.example/x", "admin")).toBe("none");
  });

  test.each([
    ["https://A.Example./x", "a.example"],
    ["https://a.example:443/x", "a.example"],
    ["https://u:p@a.example/x", "a.example"],
    ["http://0x7f.1/x", "127.0.0.1"],
    ["http://[2001:db8:0::1]/x", "[2001:0db8::1]"],
    ["https://bücher.example/x", "bücher.example"],
  ])("sees the host of %s", (url, host) => {
    expect(denied(url, { hosts: [host], paths: [] })).toBe(true);
  });

  test.each([
    ["https://a.example/%70ath/x", "/path/*"],
    ["https://a.example/q/../path/x", "/path/*"],
    ["https://a.example/path/%7ex", "/path/~x"],
    ["https://a.example/p%c3%a4/x?/path/y", "/p%C3%A4/x"],
  ])("sees the path of %s as the origin does", (url, path) => {
    expect(denied(url, { hosts: [], paths: [path] })).toBe(true);
  });

  test("a host's pattern does not reach into user-info, path or query", () => {
    const evil = { hosts: ["*.example"], paths: [] };
    expect(denied("https://a.example@evil.test/x", evil)).toBe(false);
    expect(denied("https://evil.test/a.example", evil)).toBe(false);
    expect(denied("https://evil.test/?a.example", evil)).toBe(false);
    expect(denied("https://a.example.evil.test/", evil)).toBe(false);
  });

  test("among the records of one content the longest keep wins", () => {
    const keep = (minAge: number | undefined, maxAge: number | undefined, rule: string) => ({
      pinFor: undefined,
      minAge: minAge === undefined ? undefined : { value: minAge, rule },
      maxAge: maxAge === undefined ? undefined : { value: maxAge, rule },
    });
    expect(longestKeep([keep(1, 5, "a"), keep(3, 4, "b")])).toEqual({
      pinFor: undefined,
      minAge: { value: 3, rule: "b" },
      maxAge: { value: 5, rule: "a" },
    });
    expect(longestKeep([keep(1, 5, "a"), keep(undefined, undefined, "b")]).maxAge).toBeUndefined();
  });
});

const ARTIFACT = { type: "files", name: "n", tags: [], owner: "alpha", visibility: "private" as const };

function denied(url: string, match: { readonly hosts: readonly string[]; readonly paths: readonly string[] }): boolean {
  const origin = { schemes: [], ports: [], ...match };
  const rule = {
    name: "no",
    description: "",
    mode: "deny" as const,
    match: { principal: undefined, clients: [], artifact: undefined, origin, digests: [] },
  };
  const asked = subjectOf(ARTIFACT, {
    location: { kind: "external", url: new URL(url).href, setBy: "admin" },
    digests: {},
    size: undefined,
  });
  const nobody: Principal = { tokenId: "t", project: "p", roles: [], address: "" };
  return compilePolicy({ access: [rule], content: [] }, 1, "cache").decideAccess(asked, nobody, "").mode === "deny";
}

// The naive reading: regular expressions, Node's own networks, one rule after the other.

function accessMatches({ match }: AccessRule, asked: PolicySubject, who: Principal, address: string): boolean {
  const { principal: by, clients, digests } = match;
  const network = new BlockList();
  for (const cidr of clients) {
    const [base = "", bits] = cidr.split("/");
    network.addSubnet(base, Number(bits), base.includes(":") ? "ipv6" : "ipv4");
  }
  const family = address.includes(":") ? "ipv6" : "ipv4";
  return (
    (by === undefined ||
      (any(by.tokens, (id) => id === who.tokenId) &&
        any(by.projects, (glob) => like(glob, who.project, "")) &&
        any(by.roles, (role) => who.roles.includes(role)))) &&
    (clients.length === 0 || (address !== "" && network.check(address, family))) &&
    blobMatches(match, asked) &&
    any(digests, ({ algorithm, hex }) => asked.digests[algorithm] === hex)
  );
}

function contentMatches({ match }: ContentRule, asked: PolicySubject): boolean {
  const { size } = match;
  const { min = 0, max = 100 } = size ?? {};
  return (
    blobMatches(match, asked) &&
    (size === undefined || (asked.size !== undefined && asked.size >= min && asked.size <= max))
  );
}

function blobMatches(
  match: Pick<ContentRule["match"], "artifact" | "origin">,
  { artifact: it, origin: url }: PolicySubject,
): boolean {
  const { artifact, origin } = match;
  const wanted =
    artifact === undefined ||
    (any(artifact.types, (type) => type === it.type) &&
      any(artifact.names, (glob) => like(glob, it.name, "")) &&
      any(artifact.tags, (glob) => it.tags.some((tag) => like(glob, tag, ""))) &&
      any(artifact.projects, (glob) => like(glob, it.owner, "")) &&
      (artifact.visibility === undefined || artifact.visibility === it.visibility));
  if (origin === undefined || !wanted) return wanted;
  if (url === undefined) return false;
  return (
    any(origin.schemes, (scheme) => scheme === url.scheme) &&
    any(origin.hosts, (glob) => like(glob, url.host, "./")) &&
    any(origin.ports, (port) => port === url.port) &&
    any(origin.paths, (glob) => like(glob, url.path, "./"))
  );
}

function any<T>(list: readonly T[], holds: (one: T) => boolean): boolean {
  return list.length === 0 || list.some(holds);
}

function like(glob: string, text: string, separators: string): boolean {
  const one = separators === "" ? ".*" : "[^./]*";
  const source = glob.replace(/\*\*|\*|[.+?^${}()|[\]\\/]/g, (part) =>
    part === "**" ? ".*" : part === "*" ? one : `\\${part}`,
  );
  return new RegExp(`^(?:${source})$`, "s").test(text);
}
