import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Config, loadConfig } from "../../src/config/config.ts";
import { diskOf, sharesOf } from "../../src/config/disk.ts";
import type { Environment } from "../../src/config/env.ts";
import { CLUSTER_NAMES, CLUSTER_SWITCHES, VARIABLE_NAMES } from "../../src/config/variables.ts";
import { type FieldProblem, isCisternError } from "../../src/domain/errors.ts";

const TERABYTE = { free: 8e11, held: 2e11 };
const TOKEN = "0123456789abcdef";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-config-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function load(environment: Environment): Config {
  return loadConfig(environment, () => TERABYTE);
}

/** The broken rules of an environment that must not load. */
function problemsOf(environment: Environment): readonly FieldProblem[] {
  try {
    load(environment);
  } catch (error) {
    if (isCisternError(error, "invalid-config")) return error.fields;
    throw error;
  }
  throw new Error("it loaded");
}

describe("an empty environment", () => {
  test("runs embedded, on this machine only, with shares of the disk as limits", () => {
    const config = load({});
    expect(config).toMatchObject({
      kind: "embedded",
      listen: { host: "127.0.0.1", port: 8080 },
      dataDir: resolve("data"),
      adminToken: undefined,
      limits: {
        cacheBytes: 5e11,
        spoolBytes: 2e11,
        maxUploadBytes: 2e11,
        maxConnections: 4096,
        maxConnectionsPerClient: 256,
        requestsPerSecond: 500,
        readsPerSecond: Infinity,
        guessesPerMinute: 60,
        fetchedBytesPerDay: Infinity,
      },
      origin: {
        allow: [],
        memberHosts: [],
        timeouts: { connectMs: 10_000, headersMs: 30_000, stallMs: 30_000 },
      },
      policy: { mode: "cache", redirectHosts: [] },
      http: {
        anonymousRead: [],
        idleMs: 60_000,
        drainMs: 30_000,
        drainDelayMs: 0,
        publicUrl: undefined,
        adminListen: undefined,
        tls: undefined,
        trustedProxies: [],
      },
      jobs: {
        housekeepMs: 300_000,
        auditRetentionMs: 400 * 86_400_000,
        scrubEveryMs: 30 * 86_400_000,
        scrubRate: 20 * 2 ** 20,
      },
      logLevel: "info",
    });
    expect(new Set(Object.values(config.sources))).toEqual(new Set(["default"]));
  });

  test("means the same as one whose variables are all empty, as compose files produce them", () => {
    const empty = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, " "]));
    expect(load({ ...empty, DATABASE_URL: "", CISTERN_ADMIN_TOKEN_FILE: "" })).toEqual(load({}));
  });

  test("measures the disk of the data directory", () => {
    const measured: string[] = [];
    loadConfig({ CISTERN_DATA_DIR: folder }, (directory) => {
      measured.push(directory);
      return TERABYTE;
    });
    expect(measured).toEqual([folder]);
  });

  test("is not measured when both limits are set", () => {
    const set = { CISTERN_CACHE_BYTES: "1GiB", CISTERN_SPOOL_BYTES: "1GiB" };
    const measure = () => {
      throw new Error("measured");
    };
    expect(loadConfig(set, measure).limits.cacheBytes).toBe(2 ** 30);
  });

  test("counts what the data directory holds as its own", async () => {
    const before = diskOf(folder).held;
    await mkdir(join(folder, "store", "ab"), { recursive: true });
    await writeFile(join(folder, "store", "ab", "x"), Buffer.alloc(8 * 2 ** 20, 1));
    expect(diskOf(folder).held - before).toBeGreaterThanOrEqual(8 * 2 ** 20);
    expect(sharesOf({ free: 700, held: 300 })).toEqual(sharesOf({ free: 1000, held: 0 }));
  });

  test("finds limits on a real disk, also for a data directory that is not there yet", () => {
    const { cacheBytes, spoolBytes } = loadConfig({ CISTERN_DATA_DIR: join(folder, "not", "yet") }).limits;
    expect(cacheBytes).toBeGreaterThan(spoolBytes);
    expect(spoolBytes).toBeGreaterThan(0);
  });
});

describe("every variable", () => {
  test("that is set is in force, and known to come from the environment", () => {
    const config = load({
      CISTERN_LISTEN: "[::1]:0",
      CISTERN_DATA_DIR: "/srv/cistern",
      CISTERN_ADMIN_TOKEN: TOKEN,
      CISTERN_CACHE_BYTES: "10GiB",
      CISTERN_SPOOL_BYTES: "500MB",
      CISTERN_MAX_UPLOAD_BYTES: "1048576",
      CISTERN_MAX_CONNECTIONS: "7",
      CISTERN_MAX_CONNECTIONS_PER_CLIENT: "3",
      CISTERN_REQUESTS_PER_SECOND: "11",
      CISTERN_READS_PER_SECOND: "12",
      CISTERN_GUESSES_PER_MINUTE: "13",
      CISTERN_FETCHED_BYTES_PER_DAY: "1TiB",
      CISTERN_AUDIT_RETENTION: "P90D",
      CISTERN_MODE: "redirect",
      CISTERN_REDIRECT_HOSTS: "Mirror.Example, *.cdn.example:8443",
      CISTERN_ORIGIN_ALLOW: "10.0.0.0/8, 127.0.0.1, ::1,fd00::/8",
      CISTERN_ORIGIN_HOSTS: "images.example,[::1]:8000",
      CISTERN_ANONYMOUS_READ: "0.0.0.0/0",
      CISTERN_PUBLIC_URL: "https://cistern.example/base/",
      CISTERN_ADMIN_LISTEN: "127.0.0.1:9090",
      CISTERN_TRUSTED_PROXIES: "10.0.0.0/8,::1",
      CISTERN_CONNECT_TIMEOUT: "PT1S",
      CISTERN_HEADERS_TIMEOUT: "PT2S",
      CISTERN_STALL_TIMEOUT: "PT0.5S",
      CISTERN_CLIENT_IDLE_TIMEOUT: "PT1M30S",
      CISTERN_DRAIN_TIME: "PT0S",
      CISTERN_DRAIN_DELAY: "PT5S",
      CISTERN_SCRUB_INTERVAL: "P1D",
      CISTERN_SCRUB_RATE: "1MB",
      CISTERN_HOUSEKEEP_INTERVAL: "P1DT1H",
      CISTERN_LOG_LEVEL: "debug",
    });
    const { sources, ...inForce } = config;
    const unset = Object.entries(sources).filter(([, source]) => source !== "environment");
    // The pair of TLS has a test of its own.
    expect(unset.map(([name]) => name)).toEqual(["CISTERN_TLS_CERT", "CISTERN_TLS_KEY", ...CLUSTER_NAMES]);
    expect(inForce).toEqual({
      kind: "embedded",
      listen: { host: "::1", port: 0 },
      dataDir: "/srv/cistern",
      adminToken: TOKEN,
      limits: {
        cacheBytes: 10 * 2 ** 30,
        spoolBytes: 5e8,
        maxUploadBytes: 2 ** 20,
        maxConnections: 7,
        maxConnectionsPerClient: 3,
        requestsPerSecond: 11,
        readsPerSecond: 12,
        guessesPerMinute: 13,
        fetchedBytesPerDay: 2 ** 40,
      },
      origin: {
        allow: ["10.0.0.0/8", "127.0.0.1/32", "::1/128", "fd00::/8"],
        memberHosts: ["images.example", "[::1]:8000"],
        timeouts: { connectMs: 1000, headersMs: 2000, stallMs: 500 },
      },
      policy: { mode: "redirect", redirectHosts: ["mirror.example", "*.cdn.example:8443"] },
      http: {
        anonymousRead: ["0.0.0.0/0"],
        idleMs: 90_000,
        drainMs: 0,
        drainDelayMs: 5000,
        publicUrl: "https://cistern.example/base",
        adminListen: { host: "127.0.0.1", port: 9090 },
        tls: undefined,
        trustedProxies: ["10.0.0.0/8", "::1/128"],
      },
      jobs: {
        housekeepMs: 25 * 3_600_000,
        auditRetentionMs: 90 * 86_400_000,
        scrubEveryMs: 86_400_000,
        scrubRate: 1e6,
      },
      logLevel: "debug",
    });
  });

  test.each([
    ["CISTERN_LISTEN", "8080", "host:port"],
    ["CISTERN_LISTEN", "::1:8080", "brackets"],
    ["CISTERN_LISTEN", "127.0.0.1:65536", "host:port"],
    ["CISTERN_ADMIN_TOKEN", "short", "16 to 512"],
    ["CISTERN_ADMIN_TOKEN", "with spaces in the middle", "letters, digits"],
    ["CISTERN_ADMIN_TOKEN", "percent%41percent%41", "letters, digits"],
    ["CISTERN_CACHE_BYTES", "lots", "10GiB"],
    ["CISTERN_CACHE_BYTES", "-1", "10GiB"],
    ["CISTERN_SPOOL_BYTES", "1MiB", "at least"],
    ["CISTERN_MAX_CONNECTIONS", "0", "whole number"],
    ["CISTERN_MAX_CONNECTIONS_PER_CLIENT", "1000000", "from 1 to 999999"],
    ["CISTERN_REQUESTS_PER_SECOND", "0", "whole number"],
    ["CISTERN_READS_PER_SECOND", "none", "whole number"],
    ["CISTERN_GUESSES_PER_MINUTE", "1.5", "whole number"],
    ["CISTERN_FETCHED_BYTES_PER_DAY", "-1", "size with a unit"],
    ["CISTERN_AUDIT_RETENTION", "PT1H", "from P1D to P3650D"],
    ["CISTERN_AUDIT_RETENTION", "P11Y", "from P1D to P3650D"],
    ["CISTERN_ADMIN_LISTEN", "9090", "host:port"],
    ["CISTERN_ADMIN_LISTEN", "127.0.0.1:8080", "same as CISTERN_LISTEN"],
    ["CISTERN_TLS_CERT", "/nowhere/at/all.pem", "ENOENT"],
    ["CISTERN_TLS_KEY", "/nowhere/at/all.pem", "ENOENT"],
    ["CISTERN_TRUSTED_PROXIES", "balancer", "not a CIDR"],
    ["CISTERN_DRAIN_DELAY", "5", "ISO 8601"],
    ["CISTERN_MODE", "Cache", "cache, proxy, redirect"],
    ["CISTERN_ORIGIN_ALLOW", "8.8.8.0/24", "private or loopback"],
    ["CISTERN_ORIGIN_ALLOW", "0.0.0.0/0", "private or loopback"],
    ["CISTERN_ORIGIN_ALLOW", "169.254.0.0/16", "private or loopback"],
    ["CISTERN_ORIGIN_ALLOW", "::ffff:10.0.0.0/104", "private or loopback"],
    ["CISTERN_ORIGIN_ALLOW", "10.0.0.1/8", "write 10.0.0.0/8"],
    ["CISTERN_ORIGIN_ALLOW", "10/8", "not a CIDR"],
    ["CISTERN_ORIGIN_ALLOW", "0x0a000000", "not a CIDR"],
    ["CISTERN_ORIGIN_ALLOW", "10.0.0.0/33", "prefix length"],
    ["CISTERN_ORIGIN_HOSTS", "https://images.example", "no scheme"],
    ["CISTERN_ORIGIN_HOSTS", "a.*.example", "*.suffix"],
    ["CISTERN_ORIGIN_HOSTS", "images.example:0", "host:port"],
    ["CISTERN_ANONYMOUS_READ", "everyone", "not a CIDR"],
    ["CISTERN_PUBLIC_URL", "https://user:pw@cistern.example", "without user-info"],
    ["CISTERN_PUBLIC_URL", "cistern.example", "http or https URL"],
    ["CISTERN_DRAIN_TIME", "30", "ISO 8601"],
    ["CISTERN_DRAIN_TIME", "P1M", "ISO 8601"],
    ["CISTERN_STALL_TIMEOUT", "PT0S", "PT0.1S"],
    ["CISTERN_STALL_TIMEOUT", "P8D", "P7D"],
    ["CISTERN_LOG_LEVEL", "loud", "trace, debug"],
  ])("%s=%s is refused with a rule that says: %s", (field, value, rule) => {
    expect(problemsOf({ [field]: value })).toEqual([{ field, rule: expect.stringContaining(rule) }]);
  });

  test("that is broken is told together with all others, names and values alike", () => {
    const problems = problemsOf({
      CISTERN_LISEN: "127.0.0.1:80",
      CISTERN_MODE: "redirect",
      CISTERN_DRAIN_TIME: "30s",
      CISTERN_ORIGIN_ALLOW: "8.8.8.8,nonsense",
      CISTERN_HOT_BYTES: "1GiB",
    });
    expect(problems.map(({ field }) => field).sort()).toEqual([
      "CISTERN_DRAIN_TIME",
      "CISTERN_HOT_BYTES",
      "CISTERN_LISEN",
      "CISTERN_ORIGIN_ALLOW",
      "CISTERN_ORIGIN_ALLOW",
      "CISTERN_REDIRECT_HOSTS",
    ]);
  });
});

describe("a name that is no variable", () => {
  test.each([
    ["CISTERN_LISEN", "did you mean CISTERN_LISTEN?"],
    ["CISTERN_ADMIN_TOKN_FILE", "did you mean CISTERN_ADMIN_TOKEN_FILE?"],
    ["CISTERN_DATABASE_URL", "did you mean DATABASE_URL?"],
    ["CISTERN_DATABASE_URL_FILE", "did you mean DATABASE_URL_FILE?"],
    ["CISTERN_S3_ENDPONT", "did you mean CISTERN_S3_ENDPOINT?"],
    ["CISTERN_S3_SECRETKEY_FILE", "did you mean CISTERN_S3_SECRET_KEY_FILE?"],
    ["CISTERN_TRUSTED_PROXY", "did you mean CISTERN_TRUSTED_PROXIES?"],
    ["CISTERN_TLS_KEY_FILE", "did you mean CISTERN_TLS_KEY?"],
    ["CISTERN_SOMETHING_ELSE_ALTOGETHER", "is not a variable of Cistern"],
    ["CISTERN_LISTEN_FILE", "is not a variable of Cistern"],
  ])("%s is an error: %s", (field, rule) => {
    expect(problemsOf({ [field]: "x" })).toEqual([{ field, rule: expect.stringContaining(rule) }]);
  });

  test("and is not Cistern's is left alone, as are those of the command line", () => {
    const foreign = { PATH: "/bin", cistern_listen: "x", CISTERN_URL: "http://x", CISTERN_TOKEN: "y" };
    expect(load(foreign)).toEqual(load({}));
  });
});

describe("a secret's file", () => {
  test("is read, without the newline at its end", async () => {
    const file = join(folder, "token");
    await writeFile(file, `${TOKEN}\n`);
    const config = load({ CISTERN_ADMIN_TOKEN_FILE: file });
    expect(config.adminToken).toBe(TOKEN);
    expect(config.sources.CISTERN_ADMIN_TOKEN).toBe("file");
  });

  test("that is missing or empty, or stands beside the variable itself, is an error", async () => {
    const empty = join(folder, "empty");
    await writeFile(empty, "\n");
    const field = "CISTERN_ADMIN_TOKEN_FILE";
    expect(problemsOf({ [field]: join(folder, "none") })).toEqual([{ field, rule: expect.stringContaining("ENOENT") }]);
    expect(problemsOf({ [field]: empty })).toEqual([{ field, rule: expect.stringContaining("empty file") }]);
    expect(problemsOf({ [field]: TOKEN })).toEqual([{ field, rule: expect.not.stringContaining(TOKEN) }]);
    expect(problemsOf({ [field]: empty, CISTERN_ADMIN_TOKEN: TOKEN })).toEqual([
      { field, rule: expect.stringContaining("together with CISTERN_ADMIN_TOKEN") },
    ]);
  });

  test("with a broken token is told without the token", async () => {
    const file = join(folder, "token");
    await writeFile(file, "sesame open");
    const problems = problemsOf({ CISTERN_ADMIN_TOKEN_FILE: file });
    expect(problems).toHaveLength(1);
    expect(JSON.stringify(problems)).not.toContain("sesame");
  });
});

test("whatever stands in the variables, the answer is a configuration or the list of what is wrong", () => {
  const texts = fc.oneof(
    fc.string(),
    fc.constantFrom("10GiB", "PT5S", "a.example:80", "10.0.0.0/8", "redirect", "1e9"),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...VARIABLE_NAMES), texts), (environment) => {
      try {
        const isCluster = CLUSTER_SWITCHES.some((name) => (environment[name] ?? "").trim() !== "");
        expect(load(environment).kind).toBe(isCluster ? "cluster" : "embedded");
      } catch (error) {
        if (!isCisternError(error, "invalid-config")) throw error;
        expect(error.fields.length).toBeGreaterThan(0);
        const known = ({ field, rule }: FieldProblem) =>
          field in environment || /cluster mode|CISTERN_MODE|CISTERN_TLS/.test(rule);
        expect(error.fields.filter((problem) => !known(problem))).toEqual([]);
      }
    }),
    { numRuns: 500 },
  );
});
