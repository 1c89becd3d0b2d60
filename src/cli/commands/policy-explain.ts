import type { Command } from "commander";
import { Option } from "commander";
import { z } from "zod";
import { ROLES } from "../../domain/principal.ts";
import { EXIT, Failure } from "../failure.ts";
import { findArtifact } from "../find-artifact.ts";
import { POLICIES } from "../policy-client.ts";
import { valueText } from "../policy-text.ts";
import { openSession, type Session } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const DECISION = z.looseObject({ rule: z.string(), mode: z.string() });
const RULED = z.looseObject({ value: z.unknown(), rule: z.string() }).nullable();
const OBJECTION = z.looseObject({ status: z.number(), code: z.string(), reason: z.string() }).nullable();
const EXPLANATION = z.looseObject({
  version: z.number(),
  access: DECISION.extend({ matching: z.array(DECISION) }),
  content: z.record(z.string(), RULED),
  origin: z
    .looseObject({
      url: z.string(),
      redirectable: z.boolean(),
      secret: z.string().nullable(),
      address: z
        .looseObject({
          allowed: z.boolean(),
          reason: z.string().nullable(),
          addresses: z.array(z.looseObject({ address: z.string(), allowed: z.boolean() })),
        })
        .nullable(),
    })
    .nullable(),
  mirrors: z.array(z.looseObject({ blob: z.string(), url: z.string(), objection: OBJECTION })),
  outcome: z.looseObject({
    would: z.string(),
    url: z.string().nullable(),
    not_redirected: z.string().nullable(),
    elsewhere: z.boolean(),
    waits_for: z.array(z.string()),
    kept: z.boolean().nullable(),
    denial: OBJECTION,
  }),
});
type Explanation = z.infer<typeof EXPLANATION>;

interface ExplainOptions {
  readonly blob?: string;
  readonly project?: string;
  readonly role?: readonly string[];
  readonly client?: string;
  readonly time?: string;
  readonly authToken?: boolean;
}

export function defineExplain(policy: Command, terminal: Terminal): void {
  policy
    .command("explain")
    .description("say what becomes of a request, and by which rules, without making it")
    .argument("<artifact>", "name or id of an artifact, or a URL as if it were registered")
    .option("--blob <name>", "which of its blobs (default: image, or file), as in mirrors/eu")
    .option("--project <name>", "who asks: a principal of this project (default: this token)")
    .addOption(new Option("--role <role...>", "with these roles").choices(ROLES))
    .option("--client <address>", "from this address (default: this machine's)")
    .option("--time <time>", "at this time (2030-01-31T12:00:00Z; default: now)")
    .option("--auth-token", "with an X-Auth-Token, which is never redirected")
    .action((what: string, options: ExplainOptions, command: Command) =>
      explain(openSession(command, terminal), what, options),
    );
}

async function explain(session: Session, what: string, options: ExplainOptions): Promise<void> {
  const { project, role, client: address, time, authToken } = options;
  if (role !== undefined && project === undefined) {
    throw new Failure("--role goes with --project", { exit: EXIT.usage, code: "usage" });
  }
  const body = {
    ...(/^https?:\/\//i.test(what) ? { url: what } : { artifact: await artifactOf(session, what, options.blob) }),
    ...(project === undefined ? {} : { principal: { project, roles: role ?? ["reader"] } }),
    ...(address === undefined ? {} : { client: address }),
    ...(time === undefined ? {} : { time }),
    ...(authToken === true ? { x_auth_token: true } : {}),
  };
  const request = { method: "POST", path: `${POLICIES}/explain`, body } as const;
  const explanation = await session.client.call(request, EXPLANATION, session.signal);
  session.terminal.print(session.json ? JSON.stringify(explanation) : explanationText(explanation));
}

async function artifactOf({ client, signal }: Session, what: string, blob: string | undefined): Promise<object> {
  const { type, artifact } = await findArtifact(client, what, signal);
  const [field = "", key] = (blob ?? (type === "images" ? "image" : "file")).split("/", 2);
  return { type, id: artifact.id, blob: field, ...(key === undefined ? {} : { key }) };
}

function explanationText({ version, access, content, origin, mirrors, outcome }: Explanation): string {
  const others = access.matching.slice(1).map(({ rule, mode }) => `${printable(rule)} (${mode})`);
  const rows = Object.entries(content).flatMap(([field, ruled]) =>
    ruled === null ? [] : [[field, valueText(ruled.value), printable(ruled.rule)]],
  );
  return [
    outcomeText(outcome, unreached(origin, mirrors)),
    "",
    `policy version ${version}: access ${access.mode} by rule "${printable(access.rule)}"`,
    ...(others.length === 0 ? [] : [`  also matching, and not asked: ${others.join(", ")}`]),
    "",
    table(["SETTING", "VALUE", "RULE"], rows),
    ...(origin === null ? [] : ["", ...originLines(origin)]),
    ...mirrors.map(({ blob, url, objection }) => {
      const why = objection === null ? "" : ` (not asked: ${printable(objection.reason)})`;
      return `mirror   ${printable(blob)} ${printable(url)}${why}`;
    }),
  ].join("\n");
}

const WORDS: Readonly<Record<string, string>> = {
  hit: "would be served from the cache",
  follow: "would be served from a fetch that runs",
  fill: "would be fetched, and served while it comes",
};

const WAITS: Readonly<Record<string, string>> = {
  turn: "its turn, for too many fetches are under way",
  room: "room in the cache",
};

/** Why a fetch would come to nothing; undefined: nothing speaks against it, or a mirror is asked. */
function unreached(origin: Explanation["origin"], mirrors: Explanation["mirrors"]): string | undefined {
  const address = origin?.address;
  if (address == null || address.allowed || mirrors.some(({ objection }) => objection === null)) return undefined;
  return address.reason ?? "its origin may not be connected to";
}

function outcomeText(outcome: Explanation["outcome"], unreachable: string | undefined): string {
  const { would, url, not_redirected: condition, elsewhere, waits_for: waits, kept, denial } = outcome;
  if (denial !== null) return `would be refused: ${denial.status} ${denial.code}: ${printable(denial.reason)}`;
  if (url !== null) return `would be redirected to ${printable(url)}`;
  const along = elsewhere ? ", along with another replica's fetch" : "";
  const first = waits.map((what) => `\n  first it would wait for ${WAITS[what] ?? what}, half a minute at most`);
  const instead = condition === null ? "" : `\n  not redirected: ${printable(condition)}`;
  if (would === "fill" && unreachable !== undefined) {
    return `would be fetched, and fail: ${printable(unreachable)}${along}${instead}`;
  }
  const passed = kept === false ? ", and not kept" : "";
  return `${WORDS[would] ?? would}${along}${passed}${first.join("")}${instead}`;
}

function originLines({ url, redirectable, address, secret }: NonNullable<Explanation["origin"]>): readonly string[] {
  const may = redirectable ? "clients may be sent there" : "no client is sent there";
  const lines = [
    `origin   ${printable(url)}`,
    `         ${may}; ${secret === null ? "no secret" : `secret ${secret}`}`,
  ];
  if (address === null) return lines;
  const found = address.addresses.map((one) => `${one.address}${one.allowed ? "" : " (not allowed)"}`).join(", ");
  const verdict = address.allowed ? "may be connected to" : (address.reason ?? "may not be connected to");
  return [...lines, `address  ${printable(verdict)}${found === "" ? "" : `: ${found}`}`];
}
