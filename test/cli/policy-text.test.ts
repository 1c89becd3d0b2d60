import { expect, test } from "vitest";
import type { PreviewView } from "../../src/cli/policy-client.ts";
import { previewText, valueText } from "../../src/cli/policy-text.ts";

const NOTHING = { count: 0, bytes: 0, listed: [] };
const CLIENT = { address: "192.0.2.7", project: "nova", name: "debian", before: "cache", mode: "deny", rule: "office" };

function preview(clients: PreviewView["clients"]): string {
  return previewText({ dry_run: true, version: 1, contents: NOTHING, hosts: NOTHING, clients });
}

test("a dry run names clients, and the replicas that may know of more", () => {
  const text = preview({
    count: 2,
    listed: [CLIENT],
    unheard: ["http://10.0.0.12:8080", "http://10.0.0.13:8080\u001b[2J"],
  });
  for (const part of ["2 clients", "192.0.2.7", "cache → deny", "… and 1 more"]) expect(text).toContain(part);
  expect(text).toMatch(/^Not heard, .*: http:\/\/10\.0\.0\.12:8080$/m);
  expect(text).toMatch(/^Not heard, .*: http:\/\/10\.0\.0\.13:8080/m);
  expect(text).not.toContain("\u001b");
});

test("a dry run that knows of no client tells whom it has not heard all the same", () => {
  const text = preview({ count: 0, listed: [], unheard: ["http://10.0.0.12:8080"] });
  expect(text).toContain("http://10.0.0.12:8080");
  expect(preview({ count: 0, listed: [], unheard: [] })).not.toContain("heard");
});

test("a window is told in words", () => {
  const prefetch = { from: "22:00", to: "06:00", time_zone: "Europe/Berlin" };
  expect(valueText(prefetch)).toBe("22:00 to 06:00 Europe/Berlin");
  expect(valueText({ ...prefetch, days: ["fri", "sat"] })).toBe("22:00 to 06:00 fri,sat Europe/Berlin");
  const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
  expect(valueText({ ...prefetch, days })).toBe("22:00 to 06:00 Europe/Berlin");
});
