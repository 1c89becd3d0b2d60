import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bucketContents } from "../support/bucket-contents.ts";
import type { CisternProcess } from "../support/cistern-process.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { ask, type SeenAnswer } from "../support/http-client.ts";
import { setPolicy } from "../support/policy-client.ts";
import { requirePostgres } from "../support/postgres.ts";
import { registerImage } from "../support/register-image.ts";
import { hasMinio } from "../support/s3-servers.ts";

const HYPERVISOR = "10.1.2.3";
const OFFICE = "192.0.2.7";
const SIZE = 2 * 1024 * 1024;
const CLOSED = { access: [{ name: "office", match: { clients: ["192.0.2.0/24"] }, mode: "deny" }], content: [] };
const OPEN = { access: [], content: [] };

describe.skipIf(!(requirePostgres() && hasMinio))(
  "the policy of three replicas over one Postgres and one MinIO",
  () => {
    let cluster: Cluster;
    let origin: FaultOrigin;
    let sequence = 0;

    beforeAll(async () => {
      origin = await startFaultOrigin();
      const redirectable = { CISTERN_REDIRECT_HOSTS: `127.0.0.1:${origin.port}` };
      // The balancer in front states the client; each of the tests is one.
      cluster = await startCluster({ env: { CISTERN_TRUSTED_PROXIES: "127.0.0.1/32", ...redirectable } });
    }, 300_000);
    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]();
      await origin?.[Symbol.asyncDispose]();
    }, 120_000);

    function replica(number: number): CisternProcess {
      const found = cluster.replicas[number];
      if (found === undefined) throw new Error(`there is no replica ${number}`);
      return found;
    }

    async function register(...behaviours: Behaviour[]) {
      sequence += 1;
      const path = `/dir/of-policy-${sequence}`;
      const bytes = randomBytes(SIZE);
      origin.serve(path, bytes, ...behaviours);
      const sha256 = digestOf(bytes);
      const { url, id } = await registerImage(replica(0), `of-policy-${sequence}`, { url: origin.url(path), sha256 });
      return { path, sha256, id, blob: new URL(url).pathname };
    }

    const get = (number: number, blob: string, client: string): Promise<SeenAnswer> =>
      ask(replica(number).url + blob, {
        headers: { Authorization: `Bearer ${cluster.adminToken}`, "X-Forwarded-For": client },
      });

    test("a change is seen by all of them within a second", async () => {
      await setPolicy(replica(0), OPEN);
      const { blob } = await register();
      for (const number of [0, 1, 2]) {
        // Hot on each of them: no request asks the catalog.
        await expect.poll(async () => (await get(number, blob, OFFICE)).status, { timeout: 20_000 }).toBe(200);
      }
      const delays: number[] = [];
      for (let round = 0; round < 10; round += 1) {
        const [document, status] = round % 2 === 0 ? [CLOSED, 403] : [OPEN, 200];
        await setPolicy(replica(round % 3), document);
        const began = performance.now();
        const seen = async (number: number) => {
          while ((await get(number, blob, OFFICE)).status !== status) {
            if (performance.now() - began > 10_000) throw new Error(`replica ${number} does not know of it`);
          }
          return performance.now() - began;
        };
        delays.push(Math.max(...(await Promise.all([0, 1, 2].map(seen)))));
      }
      process.stdout.write(`seen by all after ${delays.map((delay) => delay.toFixed(0)).join(", ")} ms\n`);
      expect(Math.max(...delays)).toBeLessThan(1_000);
      await setPolicy(replica(0), OPEN);
    }, 120_000);

    test("a hypervisor in 10.0.0.0/8 gets the cache while an office client is redirected, on each of them", async () => {
      await setPolicy(replica(1), {
        access: [
          { name: "hypervisors", match: { clients: ["10.0.0.0/8"] }, mode: "cache" },
          { name: "office", match: { origin: { paths: ["/dir/*"] } }, mode: "redirect" },
        ],
        content: [],
      });
      const { blob, path, sha256 } = await register();
      for (const number of [0, 1, 2]) {
        await expect.poll(async () => (await get(number, blob, OFFICE)).status).toBe(302);
        expect((await get(number, blob, OFFICE)).headers.location).toBe(origin.url(path));
      }
      expect(origin.requests(path)).toEqual([]);
      for (const number of [0, 1, 2]) {
        const hypervisor = await get(number, blob, HYPERVISOR);
        expect([hypervisor.status, digestOf(hypervisor.body)]).toEqual([200, sha256]);
      }
      expect(origin.requests(path)).toHaveLength(1);
      for (const number of [0, 1, 2]) {
        await expect.poll(async () => (await get(number, blob, OFFICE)).status, { timeout: 20_000 }).toBe(200);
      }
    }, 120_000);

    test("what one began in mode proxy is kept when another joins it whose client causes keeping", async () => {
      await setPolicy(replica(2), {
        access: [{ name: "office", match: { clients: ["192.0.2.0/24"] }, mode: "proxy" }],
        content: [],
      });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const gate = Promise.withResolvers<void>();
      const { blob, path, sha256 } = await register({ hold: { at: SIZE / 2, until: gate.promise } });
      const passing = get(0, blob, OFFICE);
      await origin.requested(path);
      const joining = get(1, blob, HYPERVISOR);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      gate.resolve();
      for (const answer of await Promise.all([passing, joining])) expect(digestOf(answer.body)).toBe(sha256);
      const kept = async () => (await bucketContents(cluster)).objects.some((name) => name.includes(sha256));
      await expect.poll(kept, { timeout: 30_000 }).toBe(true);
      expect(origin.requests(path)).toHaveLength(1);
      await setPolicy(replica(0), OPEN);
    }, 120_000);

    test("a dry run names contents and hosts, and writes nothing into any table", async () => {
      await setPolicy(replica(0), OPEN);
      const { blob, sha256, id } = await register();
      for (const client of [HYPERVISOR, OFFICE]) expect((await get(0, blob, client)).status).toBe(200);
      await expect.poll(async () => (await cached(sha256)).length, { timeout: 20_000 }).toBe(1);
      // Admitted long ago: what has an age is over at once.
      await query(`update contents set admitted_at = now() - interval '30 days' where sha256 = '${sha256}'`);
      // Reads that are noted late, requests that left, …: until the tables are still.
      await expect.poll(async () => (await checksum()) === (await later(checksum)), { timeout: 60_000 }).toBe(true);
      const before = await checksum();
      const { status, body } = await dryRun({
        access: [{ name: "office", match: { clients: ["192.0.2.0/24"] }, mode: "redirect" }],
        content: [{ name: "a week", max_age: "P7D" }],
      });
      const seen = JSON.parse(body.toString());
      expect(status, body.toString()).toBe(200);
      const named = seen.contents.listed.find((content: { sha256: string }) => content.sha256 === sha256);
      expect(named).toEqual({ sha256, size: SIZE, effects: [{ effect: "expires", rule: "a week" }] });
      expect(seen.hosts).toMatchObject({
        count: 1,
        listed: [
          { host: `127.0.0.1:${origin.port}`, mode: "redirect", rule: "office", who: { clients: ["192.0.2.0/24"] } },
        ],
      });
      // Of the two that asked for it, the one that it would hit.
      const hit = seen.clients.listed.filter(({ artifact }: { artifact: string }) => artifact === id);
      expect(hit).toMatchObject([
        { address: OFFICE, project: "admin", before: "cache", mode: "redirect", rule: "office" },
      ]);
      expect(await checksum()).toEqual(before);
      // And it can fail: the real thing is seen.
      await setPolicy(replica(0), CLOSED);
      expect(await checksum()).not.toEqual(before);
    }, 180_000);

    test("a dry run names the clients of all replicas, each once, by what it asked for last", async () => {
      await setPolicy(replica(0), OPEN);
      const [one, other] = [await register(), await register()];
      const closed = {
        access: [{ name: "closed", match: { digests: [`sha256:${one.sha256}`] }, mode: "deny" }],
        content: [],
      };
      const asked: (readonly [number, typeof one, string])[] = [
        [0, one, "10.9.0.1"],
        [1, one, "10.9.0.2"],
        [2, one, "10.9.0.3"],
        // Whoever a balancer sends around is one, and has asked for the other one last.
        [2, one, "10.9.0.4"],
        [0, one, "10.9.0.4"],
        [1, other, "10.9.0.5"],
        [2, one, "10.9.0.5"],
        [0, one, "10.9.0.6"],
        [1, other, "10.9.0.6"],
      ];
      for (const [number, { blob }, client] of asked) expect((await get(number, blob, client)).status).toBe(200);
      for (const number of [0, 1, 2]) {
        const { status, body } = await dryRun(closed, number);
        expect(status, body.toString()).toBe(200);
        const { clients } = JSON.parse(body.toString());
        expect(clients.listed.map(({ address }: { address: string }) => address).sort()).toEqual([
          "10.9.0.1",
          "10.9.0.2",
          "10.9.0.3",
          "10.9.0.4",
          "10.9.0.5",
        ]);
        expect(clients).toMatchObject({ count: 5, unheard: [] });
        expect(clients.listed[0]).toMatchObject({
          artifact: one.id,
          project: "admin",
          before: "cache",
          rule: "closed",
        });
        expect(body.toString()).not.toContain(cluster.adminToken);
      }
    }, 120_000);

    test("a dry run that a replica does not answer is told in time, without its clients, and names it", async () => {
      await setPolicy(replica(0), OPEN);
      const { blob, sha256 } = await register();
      const closed = {
        access: [{ name: "closed", match: { digests: [`sha256:${sha256}`] }, mode: "deny" }],
        content: [],
      };
      for (const number of [0, 1, 2]) expect((await get(number, blob, `10.8.0.${number}`)).status).toBe(200);
      const clientsOf = async () => {
        const { status, body } = await dryRun(closed);
        expect(status, body.toString()).toBe(200);
        const { count, listed, unheard } = JSON.parse(body.toString()).clients;
        return { count, unheard, addresses: listed.map(({ address }: { address: string }) => address).sort() };
      };
      const stopped = replica(2);
      process.kill(stopped.pid, "SIGSTOP");
      try {
        const began = performance.now();
        const heard = await clientsOf();
        expect(performance.now() - began).toBeLessThan(10_000);
        expect(heard).toEqual({ count: 2, unheard: [stopped.url], addresses: ["10.8.0.0", "10.8.0.1"] });
      } finally {
        process.kill(stopped.pid, "SIGCONT");
      }
      expect(await clientsOf()).toMatchObject({ count: 3, unheard: [] });
      // It is gone, and so is what it knew; the one that comes after it answers for itself.
      await stopped.kill("SIGKILL");
      expect(await clientsOf()).toMatchObject({ count: 2, unheard: [stopped.url] });
      await cluster.restart(2);
      expect(await clientsOf()).toMatchObject({ count: 2, unheard: [] });
    }, 120_000);

    test("a dry run compares with the version that it names, of which its replica may not have heard", async () => {
      const version = await setPolicy(replica(0), OPEN);
      const { blob } = await register();
      expect((await get(0, blob, OFFICE)).status).toBe(200);
      expect(JSON.parse((await dryRun(CLOSED)).body.toString()).clients.count).toBeGreaterThan(0);
      // As another replica writes it, whose notification is still on its way.
      await query(`set session_replication_role = replica;
        insert into policies (version, document, made_by) values (${version + 1}, '${JSON.stringify(CLOSED)}', 'test')`);
      const { body } = await dryRun(CLOSED);
      expect(JSON.parse(body.toString())).toMatchObject({
        version: version + 1,
        clients: { count: 0 },
        hosts: { count: 0 },
      });
      await setPolicy(replica(0), OPEN);
    }, 60_000);

    test("who is no replica learns nothing of who has asked", async () => {
      for (const authorization of [undefined, `Bearer ${cluster.adminToken}`]) {
        const headers = authorization === undefined ? {} : { Authorization: authorization };
        const answer = await ask(`${replica(0).url}/internal/askers?holder=x`, { headers });
        expect(answer).toMatchObject({ status: 401, body: Buffer.alloc(0) });
      }
    });

    async function dryRun(document: unknown, number = 0): Promise<SeenAnswer> {
      const headers = { Authorization: `Bearer ${cluster.adminToken}`, "Content-Type": "application/json" };
      const { headers: current } = await ask(`${replica(number).url}/v1/policies`, { headers });
      return await ask(`${replica(number).url}/v1/policies?dry_run=true&limit=1000`, {
        method: "PUT",
        headers: { ...headers, "If-Match": String(current.etag) },
        body: JSON.stringify(document),
      });
    }

    const cached = (sha256: string) =>
      query(`select sha256 from contents where sha256 = '${sha256}' and state = 'admitted'`);

    async function query(text: string): Promise<readonly Record<string, unknown>[]> {
      const sql = postgres(cluster.env(0).DATABASE_URL ?? "", { max: 1, onnotice: () => undefined });
      try {
        return await sql.unsafe(text);
      } finally {
        await sql.end();
      }
    }

    /** Of every row of every table; but that replicas live, and hold leases, they write all the time. */
    async function checksum(): Promise<string> {
      const tables = await query(`
      select format('%I.%I', table_schema, table_name) as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')
        and table_name not in ('replicas', 'leases') order by 1`);
      const sums: string[] = [];
      for (const { name } of tables) {
        const [row] = await query(
          `select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as sum from ${name} t`,
        );
        sums.push(`${name} ${row?.sum}`);
      }
      expect(sums.length).toBeGreaterThan(8);
      return sums.join("\n");
    }

    async function later<T>(look: () => Promise<T>): Promise<T> {
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      return await look();
    }
  },
);
