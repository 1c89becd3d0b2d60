import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { describeConfig } from "../../src/config/describe.ts";
import { CLUSTER_NAMES, VARIABLE_NAMES } from "../../src/config/variables.ts";

const TOKEN = "sesame-sesame-sesame";

function shown(environment: Record<string, string>) {
  const settings = describeConfig(loadConfig(environment, () => ({ free: 2 ** 40, held: 0 })));
  return new Map(settings.map((setting) => [setting.variable, setting]));
}

const CLUSTER = {
  DATABASE_URL: `postgres://cistern:${TOKEN}@db.example/cistern?sslmode=require&sslpassword=${TOKEN}`,
  CISTERN_S3_ENDPOINT: "http://s3.example:9000",
  CISTERN_S3_BUCKET: "artifacts",
  CISTERN_S3_ACCESS_KEY: TOKEN,
  CISTERN_S3_SECRET_KEY: TOKEN,
  CISTERN_S3_SESSION_TOKEN: TOKEN,
  CISTERN_REPLICA_URL: "http://10.0.0.5:8080",
  CISTERN_CLUSTER_SECRET: `${TOKEN}${TOKEN}`,
  CISTERN_ADMIN_TOKEN: TOKEN,
};

test("every variable of the mode is shown, in the order of the table", () => {
  expect([...shown(CLUSTER).keys()]).toEqual(VARIABLE_NAMES);
  expect([...shown({}).keys()]).toEqual(VARIABLE_NAMES.filter((name) => !CLUSTER_NAMES.includes(name)));
});

test("no secret of a cluster is shown; where its database and its bucket are is", () => {
  const settings = shown(CLUSTER);
  expect(JSON.stringify([...settings.values()])).not.toContain("sesame");
  expect(settings.get("DATABASE_URL")?.value).toBe(
    "postgres://cistern:***@db.example/cistern?sslmode=require&sslpassword=***",
  );
  expect(settings.get("CISTERN_S3_ENDPOINT")?.value).toBe("http://s3.example:9000");
  expect(settings.get("CISTERN_S3_SECRET_KEY")).toMatchObject({ text: "***", value: "***", source: "environment" });
  expect(settings.get("CISTERN_S3_PATH_STYLE")).toMatchObject({ text: "true", value: true, source: "default" });
  expect(settings.get("CISTERN_CACHE_BYTES")?.text).toBe("1 TiB");
  expect(settings.get("CISTERN_HOT_BYTES")?.text).toBe("512 GiB");
  const { CISTERN_S3_SESSION_TOKEN: _, ...others } = CLUSTER;
  expect(shown(others).get("CISTERN_S3_SESSION_TOKEN")).toMatchObject({ text: "-", value: null });
});

test("the admin token is masked, and whether it is set is told", () => {
  const settings = shown({ CISTERN_ADMIN_TOKEN: TOKEN });
  expect(settings.get("CISTERN_ADMIN_TOKEN")).toMatchObject({ text: "***", value: "***", source: "environment" });
  expect(JSON.stringify([...settings.values()])).not.toContain(TOKEN);
  expect(shown({}).get("CISTERN_ADMIN_TOKEN")).toMatchObject({ text: "(generated)", source: "default" });
});

test("values are shown in the form in which they are written", () => {
  const settings = shown({
    CISTERN_LISTEN: "[::1]:9000",
    CISTERN_DRAIN_TIME: "PT90S",
    CISTERN_ORIGIN_ALLOW: "::1,10.0.0.0/8",
  });
  expect(settings.get("CISTERN_LISTEN")?.value).toBe("[::1]:9000");
  expect(settings.get("CISTERN_DRAIN_TIME")?.value).toBe("PT1M30S");
  expect(settings.get("CISTERN_ORIGIN_ALLOW")?.value).toEqual(["::1/128", "10.0.0.0/8"]);
  expect(settings.get("CISTERN_CACHE_BYTES")).toMatchObject({ value: 2 ** 39, text: "512 GiB", source: "default" });
});
