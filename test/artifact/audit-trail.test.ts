import { describe, expect, test } from "vitest";
import { CatalogAudit } from "../../src/artifact/audit-trail.ts";
import type { AuditCatalog, AuditRecord } from "../../src/domain/audit-catalog.ts";
import type { EgressRecord } from "../../src/domain/egress.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { CisternEvent } from "../../src/domain/events.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { ManualClock } from "../support/manual-clock.ts";

const WHO: Principal = { tokenId: "t", project: "blue", roles: ["member"], address: "192.0.2.7" };
const CHANGE = { principal: WHO, action: "artifact.create", object: "artifacts/files/1" };
const LEFT: EgressRecord = {
  project: "blue",
  blob: "artifacts/1/image",
  method: "GET",
  url: "https://mirror.example/a",
  address: "203.0.113.1",
  status: 200,
  code: undefined,
  bytes: 5,
  outcome: "passed",
  sha256: undefined,
};

/** A catalog that can be away, and refuse what it cannot hold. */
class Rows implements AuditCatalog {
  readonly written: AuditRecord[] = [];
  away = false;
  poison: string | undefined;

  async append(records: readonly AuditRecord[]): Promise<void> {
    if (this.away) throw new CisternError("catalog-unavailable", "away");
    if (records.some(({ object }) => object === this.poison)) throw new CisternError("invalid-input", "not that");
    this.written.push(...records);
  }
  list = () => Promise.reject(new Error("not asked for"));
  expire = () => Promise.reject(new Error("not asked for"));
}

function setUp() {
  const rows = new Rows();
  const heard: CisternEvent[] = [];
  const audit = new CatalogAudit({
    catalog: rows,
    clock: new ManualClock(),
    events: { emit: (event) => heard.push(event) },
  });
  return { rows, heard, audit };
}

describe("the audit", () => {
  test("has a change when it answers, with who made it and from where", async () => {
    const { rows, audit } = setUp();
    await audit.record({ ...CHANGE, before: { a: 1 }, after: { a: 2 } });
    expect(rows.written).toMatchObject([
      {
        kind: "change",
        actor: "t",
        project: "blue",
        roles: ["member"],
        address: "192.0.2.7",
        action: "artifact.create",
      },
    ]);
    expect(rows.written).toMatchObject([{ object: "artifacts/files/1", before: { a: 1 }, after: { a: 2 } }]);
  });

  test("shows no secret of a URL, wherever it stands", async () => {
    const { rows, audit } = setUp();
    const url = "https://user:geheim1@mirror.example/a?X-Amz-Signature=geheim2&part=1";
    const states = { before: { url }, after: { list: [{ [`at ${url}`]: `see ${url}` }] } };
    await audit.record({ ...CHANGE, object: url, ...states });
    audit.left({ ...LEFT, url });
    await audit.flush();
    const text = JSON.stringify(rows.written);
    expect(text).toContain("mirror.example/a");
    expect(text).not.toContain("geheim");
  });

  test("says that a change stands when the catalog is away, logs the entry, and writes it later", async () => {
    const { rows, heard, audit } = setUp();
    rows.away = true;
    await expect(audit.record(CHANGE)).rejects.toMatchObject({ code: "audit-unwritten" });
    expect(heard).toMatchObject([{ kind: "audit-unwritten", entry: { object: "artifacts/files/1" } }]);
    await expect(audit.flush()).rejects.toMatchObject({ code: "catalog-unavailable" });
    rows.away = false;
    await audit.flush();
    expect(rows.written).toMatchObject([{ action: "artifact.create" }]);
    await audit.flush();
    expect(rows.written).toHaveLength(1);
  });

  test("keeps what left in memory while the catalog is away, up to a bound, and tells what was lost", async () => {
    const { rows, heard, audit } = setUp();
    rows.away = true;
    const before = process.memoryUsage().heapUsed;
    const total = 200_000;
    for (let n = 0; n < total; n += 1) audit.left(LEFT);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(128 * 1024 * 1024);
    rows.away = false;
    await audit.flush();
    const kept = rows.written.filter(({ kind }) => kind === "egress").length;
    expect(kept).toBeGreaterThan(10_000);
    expect(kept).toBeLessThan(total);
    expect(heard).toEqual([{ kind: "audit-dropped", entries: total - kept }]);
    // The audit itself says that there is a gap.
    expect(rows.written.at(-1)).toMatchObject({
      action: "audit.drop",
      actor: "system",
      after: { entries: total - kept },
    });
  });

  test("is not held up by one entry that the catalog cannot hold", async () => {
    const { rows, heard, audit } = setUp();
    rows.poison = "bad";
    for (const object of ["one", "bad", "two"]) audit.left({ ...LEFT, url: object });
    await audit.flush();
    expect(rows.written.map(({ object }) => object)).toEqual(["one", "two"]);
    expect(heard).toMatchObject([{ kind: "audit-unwritten", entry: { object: "bad" } }]);
  });

  test("holds every text: NUL, half characters, endless ones and deep ones", async () => {
    const { rows, audit } = setUp();
    let deep: unknown = "bottom";
    for (let n = 0; n < 5_000; n += 1) deep = { deep };
    await audit.record({
      ...CHANGE,
      object: `a\u0000\ud800${"x".repeat(100_000)}`,
      before: deep,
      after: { "\u0000": "\udfff" },
    });
    const long = "y".repeat(1_000_000);
    await audit.record({ ...CHANGE, after: { long } });
    const [one, other] = rows.written;
    expect(one?.object.length).toBeLessThan(10_000);
    expect(JSON.stringify(one)).not.toMatch(/\\u0000|\\ud[89a-f]/);
    expect(JSON.stringify(one).length).toBeLessThan(100_000);
    expect(other?.after).toEqual({ omitted_characters: expect.any(Number) });
  });
});
