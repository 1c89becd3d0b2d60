import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { parseBytes } from "../../src/config/bytes.ts";
import { loadConfig } from "../../src/config/config.ts";
import { SECRET_NAMES } from "../../src/config/variables.ts";
import { parseDuration } from "../../src/domain/duration.ts";
import { CisternError } from "../../src/domain/errors.ts";
import { requireValidator, validate } from "./support/validators.ts";

const DIRECTORY = "deploy/kubernetes";
const SECRET = `${DIRECTORY}/secret.example.yaml`;
/** What kube-score asks for and the manifests decline, each for the reason that they state. */
const DECLINED = [
  // A throttled hash makes readers wait.
  "--ignore-container-cpu-limit",
  // Images have the version as their tag.
  "--ignore-test=container-image-pull-policy",
  // Topology spread constraints say it better.
  "--ignore-test=deployment-has-host-podantiaffinity",
];

const labels = z.record(z.string(), z.string());
const port = z.object({ port: z.union([z.string(), z.number()]) });
const probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const peer = z.object({ podSelector: z.object({ matchLabels: labels }).optional() });
const objectSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("Deployment"),
    spec: z.object({
      replicas: z.number(),
      selector: z.object({ matchLabels: labels }),
      template: z.object({
        metadata: z.object({ labels }),
        spec: z.object({
          serviceAccountName: z.string(),
          enableServiceLinks: z.literal(false),
          automountServiceAccountToken: z.literal(false),
          terminationGracePeriodSeconds: z.number(),
          topologySpreadConstraints: z.array(z.object({ labelSelector: z.object({ matchLabels: labels }) })),
          containers: z.tuple([
            z.object({
              ports: z.array(z.object({ name: z.string(), containerPort: z.number() })),
              env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
              envFrom: z.tuple([z.object({ configMapRef: z.object({ name: z.string() }) })]),
              startupProbe: probe,
              livenessProbe: probe,
              readinessProbe: probe,
              volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string() })),
            }),
          ]),
          volumes: z.array(
            z.object({
              name: z.string(),
              emptyDir: z.object({ sizeLimit: z.string() }).optional(),
              secret: z
                .object({ secretName: z.string(), items: z.array(z.object({ key: z.string(), path: z.string() })) })
                .optional(),
            }),
          ),
        }),
      }),
    }),
  }),
  z.object({
    kind: z.literal("Service"),
    spec: z.object({ selector: labels, ports: z.array(z.object({ targetPort: z.string() })) }),
  }),
  z.object({
    kind: z.literal("PodDisruptionBudget"),
    spec: z.object({ maxUnavailable: z.number(), selector: z.object({ matchLabels: labels }) }),
  }),
  z.object({
    kind: z.literal("NetworkPolicy"),
    spec: z.object({
      podSelector: z.object({ matchLabels: labels }),
      ingress: z.array(z.object({ ports: z.array(port) })),
      egress: z.array(z.object({ to: z.array(peer), ports: z.array(port) })),
    }),
  }),
  z.object({ kind: z.literal("ServiceAccount"), metadata: z.object({ name: z.string() }) }),
  z.object({ kind: z.literal("ConfigMap"), metadata: z.object({ name: z.string() }), data: labels }),
  z.object({ kind: z.literal("Secret"), metadata: z.object({ name: z.string() }), stringData: labels }),
]);
type Manifest = z.infer<typeof objectSchema>;

describe.skipIf(!requireValidator("kubernetes"))("the Kubernetes manifests", () => {
  let lines: readonly string[] = [];
  let objects: readonly Manifest[] = [];
  let folder = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cistern-kubernetes-"));
    lines = (await validate("kubernetes", [DIRECTORY, SECRET])).trim().split("\n");
    objects = lines.map((line) => objectSchema.parse(JSON.parse(line)));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  function all<Kind extends Manifest["kind"]>(kind: Kind): Extract<Manifest, { kind: Kind }>[] {
    return objects.filter((object): object is Extract<Manifest, { kind: Kind }> => object.kind === kind);
  }

  function one<Kind extends Manifest["kind"]>(kind: Kind): Extract<Manifest, { kind: Kind }> {
    const [first, ...others] = all(kind);
    if (first === undefined || others.length > 0) throw new Error(`not one ${kind}`);
    return first;
  }

  /** Settings of a replica: of the ConfigMap, and of the container itself. */
  function settings(): Readonly<Record<string, string>> {
    const [container] = one("Deployment").spec.template.spec.containers;
    const own = container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
    return { ...one("ConfigMap").data, ...Object.fromEntries(own) };
  }

  test("are what an API server stores without a warning, and their pods are of the restricted kind", () => {
    const kinds = objects.map(({ kind }) => kind).sort();
    expect(kinds).toEqual([
      ...["ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget"],
      ...["Secret", "Service", "Service", "ServiceAccount"],
    ]);
  });

  test.skipIf(!requireValidator("kube-score"))("satisfy kube-score, but for what they decline", async () => {
    const file = join(folder, "built.yaml");
    await writeFile(file, lines.map((line) => `---\n${line}\n`).join(""));
    await validate("kube-score", ["score", "--exit-one-on-warning", "--output-format=ci", ...DECLINED, file]);
  });

  test("select the pods that there are, and name ports, accounts and settings that exist", () => {
    const { selector, template } = one("Deployment").spec;
    const [container] = template.spec.containers;
    const ports = container.ports.map(({ name }) => name);
    const selectors = [
      selector.matchLabels,
      ...all("Service").map(({ spec }) => spec.selector),
      one("PodDisruptionBudget").spec.selector.matchLabels,
      one("NetworkPolicy").spec.podSelector.matchLabels,
      ...template.spec.topologySpreadConstraints.map(({ labelSelector }) => labelSelector.matchLabels),
    ];
    for (const wanted of selectors) expect(template.metadata.labels).toEqual(wanted);
    const named = [
      ...all("Service").flatMap(({ spec }) => spec.ports.map(({ targetPort }) => targetPort)),
      ...[container.startupProbe, container.livenessProbe, container.readinessProbe].map(({ httpGet }) => httpGet.port),
      ...one("NetworkPolicy").spec.ingress.flatMap((rule) => rule.ports.map((allowed) => allowed.port)),
    ];
    expect([...new Set(named)].sort()).toEqual([...ports].sort());
    expect(template.spec.serviceAccountName).toBe(one("ServiceAccount").metadata.name);
    expect(container.envFrom[0].configMapRef.name).toBe(one("ConfigMap").metadata.name);
    expect(one("Deployment").spec.replicas).toBeGreaterThan(one("PodDisruptionBudget").spec.maxUnavailable);
  });

  test("let replicas reach the ports that their settings name", () => {
    const { CISTERN_S3_ENDPOINT = "", CISTERN_REPLICA_URL = "", CISTERN_ADMIN_LISTEN = "" } = settings();
    const open = (name: string) =>
      one("NetworkPolicy")
        .spec.egress.filter(({ to }) =>
          to.some(({ podSelector }) => podSelector?.matchLabels["app.kubernetes.io/name"] === name),
        )
        .flatMap(({ ports }) => ports.map((allowed) => allowed.port));
    const store = new URL(CISTERN_S3_ENDPOINT);
    expect(open(store.hostname)).toEqual([Number(store.port)]);
    expect(open("cistern")).toEqual(["http"]);
    const [container] = one("Deployment").spec.template.spec.containers;
    const numbers = Object.fromEntries(container.ports.map(({ name, containerPort }) => [name, containerPort]));
    expect(CISTERN_REPLICA_URL).toBe(`http://$(POD_IP):${numbers.http}`);
    expect(CISTERN_ADMIN_LISTEN).toBe(`0.0.0.0:${numbers.admin}`);
  });

  test("mount each key of the example's Secret, where the settings look for it", () => {
    const { volumes, containers } = one("Deployment").spec.template.spec;
    const secret = one("Secret");
    const volume = volumes.find((candidate) => candidate.secret !== undefined);
    const items = volume?.secret?.items ?? [];
    expect(volume?.secret?.secretName).toBe(secret.metadata.name);
    expect(items.map(({ key }) => key).sort()).toEqual(Object.keys(secret.stringData).sort());
    const mount = containers[0].volumeMounts.find(({ name }) => name === volume?.name)?.mountPath;
    const files = Object.entries(settings()).flatMap(([name, value]) => (name.endsWith("_FILE") ? [value] : []));
    expect(files.sort()).toEqual(items.map(({ path }) => `${mount}/${path}`).sort());
  });

  test("leave time to drain, and room for the hot tier and the spool", () => {
    const { terminationGracePeriodSeconds, volumes } = one("Deployment").spec.template.spec;
    const set = settings();
    const drain = [set.CISTERN_DRAIN_DELAY, set.CISTERN_DRAIN_TIME].map(
      (time) => parseDuration(time ?? "") ?? Number.NaN,
    );
    expect(terminationGracePeriodSeconds * 1000).toBeGreaterThan(drain.reduce((sum, time) => sum + time, 0));
    const used = [set.CISTERN_HOT_BYTES, set.CISTERN_SPOOL_BYTES].map((size) => parseBytes(size ?? "") ?? Number.NaN);
    const room = parseBytes(`${volumes.find(({ name }) => name === "data")?.emptyDir?.sizeLimit}B`);
    expect(room).toBeGreaterThan(used.reduce((sum, size) => sum + size, 0));
  });

  /** As a pod has it, with these texts as the files of the Secret. */
  async function environmentWith(secrets: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    const environment: Record<string, string> = { CISTERN_DATA_DIR: folder };
    for (const [name, value] of Object.entries(settings())) {
      const file = join(folder, value.split("/").at(-1) ?? "");
      if (name.endsWith("_FILE")) await writeFile(file, secrets[value.split("/").at(-1) ?? ""] ?? "");
      environment[name] = name.endsWith("_FILE") ? file : value.replace("$(POD_IP)", "10.1.2.3");
    }
    return environment;
  }

  test("set what the server accepts, once the secrets are real", async () => {
    const real = {
      "database-url": "postgres://cistern:password@postgres:5432/cistern",
      "s3-access-key": "0123456789abcdef",
      "s3-secret-key": "0123456789abcdef0123456789abcdef",
      "cluster-secret": "0123456789abcdef0123456789abcdef",
      "admin-token": "cst_0123456789abcdef",
    };
    expect(loadConfig(await environmentWith(real)).kind).toBe("cluster");
  });

  test("are refused at the start with the example's placeholders, each by its name", async () => {
    const environment = await environmentWith(one("Secret").stringData);
    const names = Object.keys(environment).filter((name) => name.endsWith("_FILE"));
    const secrets = names.map((name) => name.replace(/_FILE$/, "")).sort();
    expect([...SECRET_NAMES]).toEqual(expect.arrayContaining(secrets));
    try {
      loadConfig(environment);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof CisternError)) throw error;
      expect(error.fields.map(({ field }) => field).sort()).toEqual(secrets);
    }
  });
});
