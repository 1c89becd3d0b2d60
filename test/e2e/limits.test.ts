import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../support/http-client.ts";
import { requirePostgres } from "../support/postgres.ts";
import { hasMinio } from "../support/s3-servers.ts";
import { startTwoReplicas, type TwoReplicas } from "./support/two-replicas.ts";

const MIB = 2 ** 20;
const able = requirePostgres() && hasMinio;

describe.skipIf(!able)("limits over two replicas", () => {
  let pair: TwoReplicas;

  beforeAll(async () => {
    pair = await startTwoReplicas();
  }, 120_000);
  afterAll(async () => {
    await pair?.[Symbol.asyncDispose]();
  }, 60_000);

  const setQuota = (number: number, bytes: number | null) =>
    ask(`${pair.replica(number).url}/quotas`, {
      method: "PUT",
      headers: { "X-Auth-Token": pair.cluster.adminToken, "Content-Type": "application/json", "If-Match": "*" },
      body: JSON.stringify([
        { project_id: "admin", project_quotas: [{ quota_name: "max_fetched_bytes_per_day", quota_value: bytes }] },
      ]),
    });

  test("the daily quota is one for both: of what they fetch at the same time, no byte too many", async () => {
    const paths = await Promise.all(
      Array.from({ length: 14 }, (_, n) => pair.register(`quota-${n}`, { size: 2 * MIB, seed: `quota-${n}` })),
    );
    // Set at one, in force at the other.
    expect((await setQuota(0, 10 * MIB)).status).toBe(200);
    const seen = await Promise.all(paths.map((path, n) => pair.read(n % 2, path)));
    expect(seen.filter(({ status }) => status === 200)).toHaveLength(5);
    const refused = seen.filter(({ code }) => code === "egress-quota");
    expect(refused).toHaveLength(9);
    expect(refused.every(({ status, retryAfter = 0 }) => status === 429 && retryAfter > 0)).toBe(true);
    const used = "select sum(bytes)::text from egress_use where project = 'admin'";
    await expect.poll(() => pair.query(used), { timeout: 10_000 }).toEqual([String(10 * MIB)]);
    // What is cached is served by both.
    for (const [n, path] of paths.entries()) {
      if (seen[n]?.status !== 200) continue;
      for (const number of [0, 1]) expect((await pair.read(number, path)).status).toBe(200);
    }
    expect((await setQuota(1, null)).status).toBe(200);
    const late = paths[seen.findIndex(({ status }) => status === 429)] ?? "";
    expect((await pair.read(0, late)).status).toBe(200);
  });

  test("of an unknown length the quota holds but for what comes within the second that others do not know of", async () => {
    const used = async () =>
      Number((await pair.query("select sum(bytes)::text from egress_use where project = 'admin'"))[0] ?? 0);
    const before = await used();
    const size = MIB;
    const paths: string[] = [];
    for (let n = 0; n < 8; n += 1) {
      paths.push(await pair.register(`chunked-${n}`, { size, seed: `chunked-${n}` }));
      pair.origin.behave(`/chunked-${n}.img`, { framing: "chunked" });
    }
    expect((await setQuota(0, before + 3 * size)).status).toBe(200);
    let served = 0;
    for (const [n, path] of paths.entries()) {
      const { status } = await pair.read(n % 2, path);
      expect([200, 429]).toContain(status);
      if (status === 200) served += 1;
      // Longer than a batch waits.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
    }
    expect(served).toBe(3);
    await setQuota(0, null);
  });

  test("both write into one audit, and what left is in it with its digest", async () => {
    const counts = "select count(*)::text from audit where kind = 'egress' and after ->> 'outcome' = 'passed'";
    await expect.poll(async () => Number((await pair.query(counts))[0]), { timeout: 10_000 }).toBeGreaterThanOrEqual(9);
    const [bare] = await pair.query(
      "select count(*)::text from audit where after ->> 'outcome' = 'passed' and after ->> 'sha256' is null",
    );
    expect(bare).toBe("0");
    const [changes] = await pair.query("select count(*)::text from audit where action = 'quota.set'");
    expect(changes).toBe("4");
  });
});
