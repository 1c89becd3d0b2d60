import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bucketContents } from "../../support/bucket-contents.ts";
import { digestOf } from "../../support/fault-origin.ts";
import { ask } from "../../support/http-client.ts";
import { requirePostgres } from "../../support/postgres.ts";
import { hasMinio } from "../../support/s3-servers.ts";
import { expectWhole, startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";

const MIB = 1024 * 1024;
const MINUTE_MS = 60_000;
const PRELOAD = fileURLToPath(new URL("../../support/clock-shift.ts", import.meta.url));
/** S3 servers themselves refuse whose clock is more than 15 minutes off. */
const SHIFTS = [12 * MINUTE_MS, -12 * MINUTE_MS];

describe.skipIf(!(requirePostgres() && hasMinio))("two replicas whose clocks are 24 minutes apart", () => {
  let two: TwoReplicas;

  beforeAll(async () => {
    two = await startTwoReplicas({
      nodeArguments: ["--import", PRELOAD],
      envOf: (replica) => ({ TEST_CLOCK_SHIFT_MS: String(SHIFTS[replica]) }),
    });
  }, 120_000);
  afterAll(async () => {
    await two?.[Symbol.asyncDispose]();
  }, 60_000);

  test("each of them is off, as its log says", async () => {
    const path = await two.register("anything", { seed: "anything", size: MIB });
    for (const replica of [0, 1]) {
      await two.read(replica, path);
      const logged = () => /"time":"([^"]+)"/.exec(two.replica(replica).output());
      await expect.poll(logged).toBeTruthy();
      const [, time] = logged() ?? [];
      const off = new Date(time ?? "").getTime() - Date.now();
      expect(Math.abs(off - (SHIFTS[replica] ?? 0))).toBeLessThan(MINUTE_MS);
    }
  });

  test("each fetches and renews its leases, the other one reads along, and there is one fetch", async () => {
    await Promise.all([fetchedBy(0), fetchedBy(1)]);
  }, 60_000);

  async function fetchedBy(holder: number): Promise<void> {
    const other = 1 - holder;
    const name = `fetched-by-${holder}`;
    const content = { seed: name, size: 6 * MIB };
    const path = await two.register(name, content);
    const rest = Promise.withResolvers<void>();
    two.origin.behave(`/${name}.img`, { hold: { at: 2 * MIB, until: rest.promise } });
    const first = two.read(holder, path);
    await two.origin.requested(`/${name}.img`);
    const relayed = two.events(other, "fill-relayed");
    const second = two.read(other, path);
    await expect.poll(() => two.events(other, "fill-relayed"), { timeout: 20_000 }).toBe(relayed + 1);
    // Longer than a lease lives that nobody renews.
    await delay(11_000);
    rest.resolve();
    for (const seen of await Promise.all([first, second])) expectWhole(seen, content);
    expect(two.origin.requests(`/${name}.img`).length).toBe(1);
    expect(two.events(other, "fill-relayed")).toBe(relayed + 1);
    const objects = async () => (await bucketContents(two.cluster)).objects;
    const copies = async () => (await objects()).filter((key) => key.includes(digestOf(content))).length;
    await expect.poll(copies, { timeout: 30_000 }).toBe(1);
  }

  test("a token holds on both until its time is over, by the database's clock, whoever made it", async () => {
    await Promise.all([tokenMadeBy(0), tokenMadeBy(1)]);
  });

  async function tokenMadeBy(by: number): Promise<void> {
    const content = { seed: `for a token of ${by}`, size: MIB };
    const path = await two.register(`for-a-token-of-${by}`, content);
    const { token, expiresAt } = await createToken(by, "PT5S");
    expect(Math.abs(expiresAt - Date.now() - 5_000)).toBeLessThan(MINUTE_MS);
    const read = (replica: number) => two.read(replica, path, { headers: { "X-Auth-Token": token } });
    const early = await Promise.all([read(0), read(1)]);
    // Unless this machine was too slow for it.
    if (Date.now() < expiresAt) for (const seen of early) expectWhole(seen, content);
    for (const replica of [0, 1]) {
      await expect.poll(async () => (await read(replica)).status, { timeout: 20_000 }).toBe(401);
      expect(Date.now()).toBeGreaterThan(expiresAt - 1_000);
    }
  }

  test("heartbeats are of the database's time, and nothing is left", async () => {
    const replicas = await two.query("select extract(epoch from clock_timestamp() - seen_at) from replicas");
    expect(replicas.length).toBe(2);
    for (const age of replicas) expect(Math.abs(Number(age))).toBeLessThan(60);
    await two.nothingLeft();
  }, 120_000);

  async function createToken(replica: number, lasts: string): Promise<{ token: string; expiresAt: number }> {
    const headers = { "X-Auth-Token": two.cluster.adminToken, "Content-Type": "application/json" };
    const body = JSON.stringify({ name: "brief", project: "admin", roles: ["reader"], expires_in: lasts });
    const answer = await ask(`${two.replica(replica).url}/v1/tokens`, { method: "POST", headers, body });
    const created = JSON.parse(answer.body.toString());
    return { token: created.token, expiresAt: new Date(created.expires_at).getTime() };
  }
});
