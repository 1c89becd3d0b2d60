import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { describeConfig } from "../../src/config/describe.ts";
import { VARIABLE_NAMES } from "../../src/config/variables.ts";

const TOKEN = "sesame-sesame-sesame";

function shown(environment: Record<string, string>) {
  const settings = describeConfig(loadConfig(environment, () => ({ free: 2 ** 40, held: 0 })));
  return new Map(settings.map((setting) => [setting.variable, setting]));
}

test("every variable is shown, in the order of the table", () => {
  expect([...shown({}).keys()]).toEqual(VARIABLE_NAMES);
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
