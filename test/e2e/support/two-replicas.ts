import { readdir } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { expect } from "vitest";
import { bucketContents } from "../../support/bucket-contents.ts";
import type { CisternProcess } from "../../support/cistern-process.ts";
import { type Cluster, type ClusterOptions, startCluster } from "../../support/cluster.ts";
import { type Content, digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";
import { type AskOptions, ask, type SeenAnswer } from "../../support/http-client.ts";
import { type ExternalBlob, registerImage } from "../../support/register-image.ts";

/** What a client saw, and when. */
export interface Seen {
  readonly status: number;
  /** The whole body has come. */
  readonly complete: boolean;
  readonly broken: string | undefined;
  /** SHA-256 of the body. */
  readonly sha256: string;
  readonly bytes: number;
  /** Stable code of an error. */
  readonly code: string | undefined;
  readonly retryAfter: number | undefined;
  readonly cacheStatus: string;
  readonly milliseconds: number;
}

/** Two replicas over one Postgres and one S3 server, and an origin whose answers the test decides. */
export interface TwoReplicas extends AsyncDisposable {
  readonly cluster: Cluster;
  readonly origin: FaultOrigin;
  replica(number: number): CisternProcess;
  /** Serves content at the origin and registers it; answers the path of its bytes, the same on all replicas. */
  register(name: string, content: Content, record?: "digest" | "nothing"): Promise<string>;
  read(number: number, path: string, options?: AskOptions): Promise<Seen>;
  /** What `/readyz` says to the admin, and to anybody. */
  readiness(number: number): Promise<{ readonly bare: string; readonly parts: unknown }>;
  /** How often the log of a replica has an event. */
  events(number: number, kind: string, holding?: string): number;
  /** Rejects when an upload, a spooled file, a lease or an object outlives what it was for. */
  nothingLeft(): Promise<void>;
  /** The first column of what the database answers. */
  query(text: string): Promise<string[]>;
}

export async function startTwoReplicas(options: Omit<ClusterOptions, "replicas"> = {}): Promise<TwoReplicas> {
  await using building = new AsyncDisposableStack();
  const origin = building.use(await startFaultOrigin());
  const cluster = building.use(await startCluster({ ...options, replicas: 2 }));
  const stack = building.move();
  const replica = (number: number) => {
    const found = cluster.replicas[number];
    if (found === undefined) throw new Error(`there is no replica ${number}`);
    return found;
  };
  return {
    cluster,
    origin,
    replica,
    async register(name, content, record = "digest") {
      const path = `/${name}.img`;
      origin.serve(path, content);
      const url = origin.url(path);
      const blob: ExternalBlob = record === "digest" ? { url, sha256: digestOf(content) } : { url };
      const image = await registerImage(replica(0), name, blob);
      return new URL(image.url).pathname;
    },
    read: (number, path, more) => see(`${replica(number).url}${path}`, cluster.adminToken, more),
    readiness: (number) => readiness(replica(number).url, cluster.adminToken),
    events: (number, kind, holding = "") =>
      replica(number)
        .output()
        .split("\n")
        .filter((line) => line.includes(`"event":"${kind}"`) && line.includes(holding)).length,
    nothingLeft: () => nothingLeft(cluster),
    query: (text) => query(cluster, text),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Asks as the admin, unless the options say as whom. */
export async function see(url: string, token: string, { headers, ...options }: AskOptions = {}): Promise<Seen> {
  const began = performance.now();
  const answer = await ask(url, { ...options, headers: headers ?? { "X-Auth-Token": token } });
  const { status, complete, broken, body } = answer;
  const retryAfter = answer.headers["retry-after"];
  return {
    status,
    complete,
    broken,
    sha256: digestOf(body),
    bytes: body.length,
    code: status >= 400 ? codeOf(answer) : undefined,
    retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
    cacheStatus: String(answer.headers["cache-status"] ?? ""),
    milliseconds: performance.now() - began,
  };
}

/** That a client got all of the content, and nothing else. */
export function expectWhole(seen: Seen, content: Content, withinMs?: number): void {
  expect(seen).toMatchObject({ status: 200, complete: true, broken: undefined, sha256: digestOf(content) });
  if (withinMs !== undefined) expect(seen.milliseconds).toBeLessThan(withinMs);
}

/** That a client was told to come back, by whom it is up, and within what time. */
export function expectRefused(seen: Seen, code: string, withinMs: number): void {
  expect(seen).toMatchObject({ status: 503, complete: true, code });
  expect(seen.retryAfter).toBeGreaterThan(0);
  expect(seen.milliseconds).toBeLessThan(withinMs);
}

function codeOf({ body, headers }: SeenAnswer): string | undefined {
  if (!String(headers["content-type"] ?? "").includes("json")) return undefined;
  const problem: unknown = JSON.parse(body.toString());
  for (const at of [problem, member(problem, "error")]) {
    const code = member(at, "code");
    if (typeof code === "string") return code;
  }
  return undefined;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

async function readiness(url: string, token: string) {
  const bare = await ask(`${url}/readyz`);
  const full = await ask(`${url}/readyz`, { headers: { "X-Auth-Token": token } });
  const json = String(full.headers["content-type"]).includes("json");
  const parts = json ? member(JSON.parse(full.body.toString()), "parts") : undefined;
  return { bare: `${bare.status} ${bare.body.toString().trim()}`, parts };
}

async function nothingLeft(cluster: Cluster): Promise<void> {
  const timeout = 60_000;
  await expect.poll(async () => (await bucketContents(cluster)).uploads, { timeout }).toEqual([]);
  for (const { dataDir } of cluster.replicas) {
    await expect.poll(() => filesIn(join(dataDir, "spool")), { timeout }).toEqual([]);
  }
  await expect.poll(() => query(cluster, "select key from leases where key not like 'job:%'"), { timeout }).toEqual([]);
  await expect.poll(() => strangers(cluster), { timeout }).toEqual([]);
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** Objects that no row names, and rows whose object is missing. */
async function strangers(cluster: Cluster): Promise<string[]> {
  const { objects } = await bucketContents(cluster);
  const there = new Set(objects.map((key) => key.split("/").slice(3).join("/")));
  const named = new Set(await query(cluster, "select sha256 || '/' || fence from contents"));
  return [...[...there].filter((name) => !named.has(name)), ...[...named].filter((name) => !there.has(name))];
}

async function query(cluster: Cluster, text: string): Promise<string[]> {
  const sql = postgres(cluster.env(0).DATABASE_URL ?? "", { max: 1 });
  try {
    return (await sql.unsafe(text).values()).map(([value]) => String(value));
  } finally {
    await sql.end();
  }
}
