import { z } from "zod";
import { formatBytes } from "../config/bytes.ts";
import { actorText } from "./actor-text.ts";
import type { PolicyView, PreviewView } from "./policy-client.ts";
import { printable, table } from "./table.ts";

const DAYS = 7;

/** A policy as people read it: its rules in their order. */
export function policyText(policy: PolicyView): string {
  const { version, made_by, made_at, note, access, content, built_in } = policy;
  const made = made_at === null ? "none was ever set" : `set ${made_at} by ${actorText(made_by)}`;
  const rows = access.map((rule) => [printable(rule.name), String(rule.mode), matchText(rule.match)]);
  const settings = content.map((rule) => {
    const { name, description: _description, match, ...set } = rule;
    const fields = Object.entries(set).map(([field, value]) => `${field}=${valueText(value)}`);
    return [printable(name), matchText(match), fields.join(" ")];
  });
  return [
    `version ${version}, ${made}${note === "" ? "" : `: ${printable(note)}`}`,
    "",
    table(["ACCESS RULE", "MODE", "WHEN"], [...rows, ["built-in", built_in.mode, "always"]]),
    ...(settings.length === 0 ? [] : ["", table(["CONTENT RULE", "WHEN", "SETS"], settings)]),
  ].join("\n");
}

function matchText(match: unknown): string {
  const parts = typeof match === "object" && match !== null ? Object.entries(match).flatMap(leaves) : [];
  return parts.length === 0 ? "always" : parts.join(" ");
}

function leaves([name, value]: readonly [string, unknown]): readonly string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${name}=${valueText(value)}`];
  return Object.entries(value).map(([field, inner]) => `${name}.${field}=${valueText(inner)}`);
}

/** What a rule sets or matches, in words. */
export function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(",");
  const window = WINDOW.safeParse(value);
  if (window.success) return printable(windowText(window.data));
  return printable(typeof value === "string" ? value : JSON.stringify(value));
}

const WINDOW = z.object({
  from: z.string(),
  to: z.string(),
  time_zone: z.string(),
  days: z.array(z.string()).optional(),
});

function windowText({ from, to, time_zone, days = [] }: z.infer<typeof WINDOW>): string {
  const on = days.length === 0 || days.length === DAYS ? "" : ` ${days.join(",")}`;
  return `${from} to ${to}${on} ${time_zone}`;
}

/** What a policy would change, as people read it. */
export function previewText({ contents, hosts, clients }: PreviewView): string {
  const lines: string[] = [];
  if (contents.count === 0) lines.push("No content is kept for a shorter time, or from fewer readers.");
  else {
    lines.push(`${counted(contents.count, "content")} (${formatBytes(contents.bytes)}) would go, or be kept less:`);
    const rows = contents.listed.flatMap(({ sha256, size, effects }) =>
      effects.map(({ effect, rule }) => [sha256.slice(0, 16), formatBytes(size), effect, printable(rule)]),
    );
    lines.push(table(["CONTENT", "SIZE", "WHAT", "RULE"], rows), ...more(contents.count, contents.listed.length));
  }
  lines.push("");
  if (hosts.count === 0) lines.push("No client is redirected or denied who is not now.");
  else {
    lines.push(`Clients of ${counted(hosts.count, "origin")} would be redirected or denied:`);
    const rows = hosts.listed.map((host) => [
      printable(host.host),
      host.mode,
      whoText(host.who),
      `${counted(host.records, "record")}, ${host.cached} cached`,
      printable(host.rule),
    ]);
    lines.push(table(["ORIGIN", "MODE", "WHO", "WHAT", "RULE"], rows));
  }
  lines.push(...clientsText(clients));
  return lines.join("\n");
}

/** Those who have asked lately, by name, and who knows of more. */
function clientsText({ count, listed, unheard }: PreviewView["clients"]): readonly string[] {
  const missing = unheard.map(
    (replica) => `Not heard, so that clients which asked it alone are missing: ${printable(replica)}`,
  );
  return [...namedClients(count, listed), ...(missing.length === 0 ? [] : ["", ...missing])];
}

function namedClients(count: number, listed: PreviewView["clients"]["listed"]): readonly string[] {
  if (count === 0) return [];
  const rows = listed.map(({ address, project, name, before, mode, rule }) =>
    [address, project, name, `${before} → ${mode}`, rule].map(printable),
  );
  const head = `Of those who have asked within a day, ${counted(count, "client")}:`;
  return ["", head, table(["CLIENT", "PROJECT", "ASKED FOR", "MODE", "RULE"], rows), ...more(count, listed.length)];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function more(count: number, listed: number): readonly string[] {
  return count > listed ? [`… and ${count - listed} more`] : [];
}

function whoText(who: PreviewView["hosts"]["listed"][number]["who"]): string {
  if (who === null) return "everybody";
  return Object.entries(who)
    .filter((entry): entry is [string, string[]] => Array.isArray(entry[1]) && entry[1].length > 0)
    .map(([field, values]) => `${field}=${valueText(values)}`)
    .join(" ");
}
