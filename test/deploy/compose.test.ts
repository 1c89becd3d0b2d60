import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { loadConfig } from "../../src/config/config.ts";
import { SECRET_NAMES } from "../../src/config/variables.ts";
import { parseDuration } from "../../src/domain/duration.ts";
import { CLONE, requireValidator, validate } from "./support/validators.ts";

const run = promisify(execFile);
const COMPOSE = "deploy/compose.yaml";
const VARIANTS = [[COMPOSE], [COMPOSE, "deploy/compose.minio.yaml"]];
const REPLICAS = ["cistern-1", "cistern-2"];

/** As the loader prints a project; what is not looked at here is left out. */
const projectSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
      user: z.string().optional(),
      environment: z.record(z.string(), z.string().nullable()).default({}),
      restart: z.string(),
      read_only: z.literal(true),
      cap_drop: z.tuple([z.literal("ALL")]),
      cap_add: z.undefined().optional(),
      privileged: z.undefined().optional(),
      security_opt: z.tuple([z.literal("no-new-privileges:true")]),
      stop_grace_period: z.string(),
      networks: z.record(z.string(), z.object({ ipv4_address: z.string().optional() }).nullable()),
      ports: z.array(z.object({ host_ip: z.string(), published: z.string(), target: z.number() })).default([]),
      secrets: z.array(z.object({ source: z.string(), target: z.string() })).default([]),
      depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
    }),
  ),
  networks: z.record(
    z.string(),
    z.object({ internal: z.boolean().default(false), driver_opts: z.record(z.string(), z.string()).default({}) }),
  ),
  secrets: z.record(z.string(), z.object({ file: z.string() })),
});
type Project = z.infer<typeof projectSchema>;

async function load(files: readonly string[]): Promise<Project> {
  return projectSchema.parse(JSON.parse(await validate("compose", files)));
}

function replicasOf(project: Project): Project["services"][string][] {
  return Object.entries(project.services).flatMap(([name, service]) => (REPLICAS.includes(name) ? [service] : []));
}

/** Milliseconds of `1m30s`, as Go writes a duration. */
function goDuration(text: string): number {
  const [, minutes = 0, seconds = 0] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) ?? [];
  return (Number(minutes) * 60 + Number(seconds)) * 1000;
}

describe.skipIf(!requireValidator("compose"))("compose.yaml", () => {
  test.each(VARIANTS)("%s %s: loads without a warning, and every container is locked down", async (...files) => {
    const { services } = await load(files.filter((file) => file !== undefined));
    expect(Object.keys(services).sort()).toEqual([...REPLICAS, "haproxy", "postgres", "s3"]);
    for (const [name, { image, build }] of Object.entries(services)) {
      if (build === undefined) expect(image, name).toMatch(/:v?\d/);
      else await stat(join(build.context, build.dockerfile));
    }
  });

  test("only the replicas have a way out; the catalog and the store are reached by them alone", async () => {
    const { services, networks } = await load([COMPOSE]);
    const reachable = (network: string) =>
      Object.keys(services)
        .filter((name) => Object.hasOwn(services[name]?.networks ?? {}, network))
        .sort();
    const internal = Object.keys(networks).filter((name) => networks[name]?.internal);
    expect(internal.sort()).toEqual(["compute", "data", "edge"]);
    expect(reachable("outside")).toEqual(REPLICAS);
    expect(reachable("edge")).toEqual([...REPLICAS, "haproxy"]);
    expect(reachable("data")).toEqual([...REPLICAS, "postgres", "s3"]);
    expect(reachable("compute")).toEqual(["haproxy"]);
    expect(reachable("published")).toEqual(["haproxy"]);
    expect(networks.published?.driver_opts["com.docker.network.bridge.enable_ip_masquerade"]).toBe("false");
    const published = Object.values(services).flatMap(({ ports }) => ports);
    expect(published.filter(({ target }) => target !== 8080)).toEqual([
      { host_ip: "127.0.0.1", published: "9090", target: 9090 },
    ]);
  });

  test("the balancer is the one trusted proxy, knows each replica, and nobody is stopped before they have drained", async () => {
    const project = await load([COMPOSE]);
    const { haproxy } = project.services;
    const configuration = await readFile(join(CLONE, "deploy/haproxy.cfg"), "utf8");
    for (const name of REPLICAS) {
      const environment = project.services[name]?.environment ?? {};
      expect(environment.CISTERN_TRUSTED_PROXIES).toBe(`${haproxy?.networks.edge?.ipv4_address}/32`);
      expect(environment.CISTERN_REPLICA_URL).toBe(`http://${name}:8080`);
      expect(configuration).toContain(`server ${name} ${name}:8080 `);
      expect(configuration).toContain(`server ${name} ${name}:9090`);
    }
    for (const { environment, stop_grace_period } of replicasOf(project)) {
      const [pause, drain] = [environment.CISTERN_DRAIN_DELAY, environment.CISTERN_DRAIN_TIME].map((text) =>
        parseDuration(text ?? ""),
      );
      expect(goDuration(stop_grace_period)).toBeGreaterThan((pause ?? Number.NaN) + (drain ?? Number.NaN));
    }
    const [, hardStop = ""] = /hard-stop-after (\S+)/.exec(configuration) ?? [];
    expect(goDuration(haproxy?.stop_grace_period ?? "")).toBeGreaterThan(goDuration(hardStop));
  });
});

describe("make-secrets.sh", () => {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "cistern-secrets-"));
    await cp(join(CLONE, "deploy/make-secrets.sh"), join(folder, "make-secrets.sh"));
    await run(join(folder, "make-secrets.sh"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function secrets(): Promise<Readonly<Record<string, string>>> {
    const names = await readdir(join(folder, "secrets"));
    const texts = names.map(async (name) => [name, await readFile(join(folder, "secrets", name), "utf8")] as const);
    return Object.fromEntries(await Promise.all(texts));
  }

  test("makes secrets that containers may read and other users of the host may not, and keeps those that are there", async () => {
    expect((await stat(join(folder, "secrets"))).mode & 0o777).toBe(0o700);
    const made = await secrets();
    for (const name of Object.keys(made)) expect((await stat(join(folder, "secrets", name))).mode & 0o777).toBe(0o444);
    expect(made.database_url).toContain(`:${made.postgres_password}@`);
    await rm(join(folder, "secrets", "admin_token"));
    await run(join(folder, "make-secrets.sh"));
    const again = await secrets();
    expect(again).toEqual({ ...made, admin_token: expect.stringMatching(/^cst_[0-9a-f]{64}$/) });
    expect(again.admin_token).not.toBe(made.admin_token);
  });

  test.skipIf(!requireValidator("compose"))("makes each secret that compose.yaml mounts, and no other", async () => {
    const project = await load([COMPOSE]);
    expect(Object.keys(await secrets()).sort()).toEqual(Object.keys(project.secrets).sort());
    for (const [name, { file }] of Object.entries(project.secrets)) {
      expect(file).toBe(join(CLONE, "deploy/secrets", name));
    }
  });

  test.skipIf(!requireValidator("compose"))("with them, the server accepts what compose.yaml sets", async () => {
    for (const { environment, secrets } of replicasOf(await load([COMPOSE]))) {
      const mounted = new Map(secrets.map(({ source, target }) => [target, join(folder, "secrets", source)]));
      const settings = Object.entries(environment).map(([name, value]) => [
        name,
        mounted.get(value ?? "") ?? value ?? "",
      ]);
      const named = settings
        .filter(([name = ""]) => name.endsWith("_FILE"))
        .map(([name = ""]) => name.replace(/_FILE$/, ""));
      expect(SECRET_NAMES).toEqual(expect.arrayContaining(named));
      const config = loadConfig({ CISTERN_DATA_DIR: folder, ...Object.fromEntries(settings) });
      expect(config.kind).toBe("cluster");
    }
  });
});
