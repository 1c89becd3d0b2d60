import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { EVICTIONS } from "../../domain/capacity.ts";
import { FILL_LIMIT_NAMES } from "../../domain/fill-limit-names.ts";
import { parseByteLimit } from "../byte-limit.ts";
import { CAPACITY_VIEW, type CapacityView, showCapacity } from "../capacity-view.ts";
import { EXIT, Failure } from "../failure.ts";
import { openSession, type Session } from "../session.ts";
import type { Terminal } from "../terminal.ts";

const PATH = "/v1/capacity";
/** Takes a setting back: as the server's configuration says. */
const DEFAULT = "default";

/** Not null: commander would make "" of a null that a parser returns. */
type Setting = number | typeof DEFAULT;

interface SetOptions {
  readonly cache?: Setting;
  readonly spool?: Setting;
  readonly hot?: Setting;
  readonly pins?: Setting;
  readonly high?: Setting;
  readonly low?: Setting;
  readonly eviction?: string;
  readonly share: readonly Share[];
  readonly fills: readonly FillLimit[];
}

interface FillLimit {
  /** As JSON has it. */
  readonly name: string;
  /** null: as it is by default. */
  readonly most: number | null;
}

const FILL_LIMITS = Object.keys(FILL_LIMIT_NAMES);
const FILLS_HELP = `
Limits of fetches: total, per-project and per-origin of each replica; prefetch-at-once of each replica,
prefetch-per-project and prefetch-per-origin of all together.`;

interface Share {
  readonly by: "project" | "origin";
  readonly name: string;
  /** null: it has no share any more. */
  readonly part: number | null;
}

export function defineCapacity(program: Command, terminal: Terminal): void {
  const capacity = program.command("capacity").description("limits of cache, spool and hot tier, and what uses them");
  capacity
    .command("show", { isDefault: true })
    .description("show limits and use by class, project, origin and replica")
    .action((_options: unknown, command: Command) => show(openSession(command, terminal)));
  capacity
    .command("set")
    .description(`change limits at once, everywhere; "${DEFAULT}" takes one back to the server's configuration`)
    .option("--cache <bytes>", "all content together (10GiB)", byteSize)
    .option("--spool <bytes>", "what each replica may have on its way in", byteSize)
    .option("--hot <bytes>", "what each replica keeps in front of the bucket", byteSize)
    .option("--pins <bytes>", "what pins may hold of the cache", byteSize)
    .option("--high <part>", "part of the cache above which old content is evicted in the background (95%)", part)
    .option("--low <part>", "part of the cache down to which it is (90%)", part)
    .addOption(new Option("--eviction <how>", "what goes first").choices([...EVICTIONS, DEFAULT]))
    .addOption(
      new Option(
        "--share <account>",
        "project:NAME=25% or origin:HOST=25%, =none to end it; HOST with its port, as show has it; may be repeated",
      )
        .argParser(share)
        .default([], "none is changed"),
    )
    .addOption(
      new Option(
        "--fills <limit>",
        "fetches at once, as per-project=100 (see below); =default to take it back; may be repeated",
      )
        .argParser(fills)
        .default([], "none is changed"),
    )
    .addHelpText("after", FILLS_HELP)
    .action((options: SetOptions, command: Command) => set(openSession(command, terminal), options));
}

async function show(session: Session): Promise<void> {
  const view = await session.client.call({ method: "GET", path: PATH }, CAPACITY_VIEW, session.signal);
  print(session, view);
}

async function set(session: Session, options: SetOptions): Promise<void> {
  const { client, signal } = session;
  const before = await client.call({ method: "GET", path: PATH }, CAPACITY_VIEW, signal);
  const changes = changesOf(options, before.settings);
  if (Object.keys(changes).length === 0) {
    throw new Failure("nothing is to be changed: name a limit", { exit: EXIT.usage, code: "usage" });
  }
  const body = { ...before.settings, ...changes };
  if (JSON.stringify(body) === JSON.stringify(before.settings)) return print(session, before);
  const headers = { "If-Match": `"r${before.revision}"` };
  print(session, await client.call({ method: "PUT", path: PATH, headers, body }, CAPACITY_VIEW, signal));
}

function changesOf(options: SetOptions, { shares: known, fills: set }: CapacityView["settings"]): object {
  const [shares, fillsSet] = [known ?? [], set ?? {}];
  const { cache, spool, hot, pins, high, low, eviction } = options;
  const changes = {
    cache_bytes: settingOf(cache),
    spool_bytes: settingOf(spool),
    hot_bytes: settingOf(hot),
    pin_max_bytes: settingOf(pins),
    high_watermark: settingOf(high),
    low_watermark: settingOf(low),
    eviction: settingOf(eviction),
    fills: options.fills.length === 0 ? undefined : withFills(fillsSet, options.fills),
    shares: options.share.length === 0 ? undefined : options.share.reduce(withShare, shares),
  };
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
}

/** As JSON has it; undefined: as it is. */
function settingOf<T>(given: T): T | null {
  return given === DEFAULT ? null : given;
}

function withShare(shares: NonNullable<CapacityView["settings"]["shares"]>, { by, name, part: most }: Share) {
  const others = shares.filter((known) => known[by] !== name);
  return most === null ? others : [...others, { [by]: name, part: most }];
}

function withFills(set: Readonly<Record<string, number>>, changes: readonly FillLimit[]): object {
  const after = { ...set, ...Object.fromEntries(changes.map(({ name, most }) => [name, most])) };
  return Object.fromEntries(Object.entries(after).filter(([, most]) => most !== null));
}

function print({ terminal, json }: Session, view: CapacityView): void {
  terminal.print(json ? JSON.stringify(view) : showCapacity(view));
}

function byteSize(text: string): Setting {
  if (text === DEFAULT) return DEFAULT;
  const bytes = parseByteLimit(text);
  if (bytes === undefined)
    throw new InvalidArgumentError(`must be bytes with their unit, like 10GiB, or "${DEFAULT}".`);
  return bytes;
}

function part(text: string): Setting {
  if (text === DEFAULT) return DEFAULT;
  const value = partOf(text);
  if (value === undefined) throw new InvalidArgumentError(`must be a part like 90% or 0.9, or "${DEFAULT}".`);
  return value;
}

/** Above 0 and at most 1; undefined: it is none. */
function partOf(text: string): number | undefined {
  const match = /^(\d{1,3}(?:\.\d{1,6})?)(%?)$/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === "%" ? 100 : 1);
  return value > 0 && value <= 1 ? value : undefined;
}

function share(text: string, before: readonly Share[]): readonly Share[] {
  const match = /^(project|origin):(.{1,255})=([^=]+)$/.exec(text);
  const [, by, name = "", most = ""] = match ?? [];
  const atMost = most === "none" ? null : partOf(most);
  if ((by !== "project" && by !== "origin") || atMost === undefined) {
    throw new InvalidArgumentError(
      "must be like project:NAME=25% or origin:HOST=25%, above 0% and at most 100%, or =none.",
    );
  }
  return [...before, { by, name, part: atMost }];
}

function fills(text: string, before: readonly FillLimit[]): readonly FillLimit[] {
  const [, given = "", most = ""] = /^([a-z-]+)=(\d{1,5}|default)$/.exec(text) ?? [];
  const name = given.replaceAll("-", "_");
  if (!FILL_LIMITS.includes(name)) {
    const names = FILL_LIMITS.map((one) => one.replaceAll("_", "-")).join(", ");
    throw new InvalidArgumentError(`must be like per-project=100; there are ${names}.`);
  }
  return [...before, { name, most: most === DEFAULT ? null : Number(most) }];
}
