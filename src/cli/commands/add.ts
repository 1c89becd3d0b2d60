import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import type { ArtifactType, ArtifactView } from "../artifact-view.ts";
import { ARTIFACT_TYPES, ARTIFACT_VIEW, artifactPath, BLOB_FIELD } from "../artifact-view.ts";
import { diskFormatOf } from "../disk-format.ts";
import { EXIT, Failure } from "../failure.ts";
import type { Session } from "../session.ts";
import { openSession } from "../session.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const LOCATION_TYPE = "application/vnd+openstack.glare-custom-location+json";
const CHECKSUMS = ["sha256", "sha512", "md5", "sha1"] as const;

interface AddOptions {
  readonly sha256?: string;
  readonly sha512?: string;
  readonly md5?: string;
  readonly sha1?: string;
  readonly size?: number;
  readonly name?: string;
  readonly asVersion?: string;
  readonly type: ArtifactType;
  readonly diskFormat?: string;
  readonly containerFormat?: string;
  readonly mirror: readonly Mirror[];
  readonly public?: true;
}

interface Mirror {
  readonly name: string;
  readonly url: string;
}

export function defineAdd(program: Command, terminal: Terminal): void {
  const command = program
    .command("add")
    .description("register a URL and activate it, in one step; a step that fails undoes the others")
    .argument("<url>", "http or https URL of the bytes");
  for (const name of CHECKSUMS) command.option(`--${name} <hex>`, `the ${name} that the bytes must have`);
  command
    .option("--size <bytes>", "the size that the bytes must have", parseSize)
    .option("--name <name>", "name of the artifact (default: the URL's file name)")
    .option("--as-version <version>", "semantic version of the artifact")
    .addOption(new Option("--type <type>", "type of the artifact").choices(ARTIFACT_TYPES).default("images"))
    .option("--disk-format <format>", "disk_format of an image (default: by the ending of the name or the URL)")
    .option("--container-format <format>", "container_format of an image (default: bare)")
    .option("--mirror <name=url>", "another URL of the same bytes; may be given several times", collectMirror, [])
    .option("--public", "let every project read it (the admin's alone)")
    .action((url: string, options: AddOptions, self: Command) => add(openSession(self, terminal), url, options));
}

async function add(session: Session, url: string, options: AddOptions): Promise<void> {
  const name = options.name ?? nameOf(url);
  const { type } = options;
  const body = {
    name,
    ...(options.asVersion === undefined ? {} : { version: options.asVersion }),
    ...fieldsOf(url, name, options),
  };
  const creation = { method: "POST", path: artifactPath(type), body } as const;
  const created = await session.client.call(creation, ARTIFACT_VIEW, session.signal).catch(sayWhenTaken);
  let artifact: ArtifactView;
  try {
    artifact = await complete(session, created.id, url, options);
  } catch (error) {
    await undo(session, type, created.id);
    throw error;
  }
  report(session, artifact, options);
}

function sayWhenTaken(error: unknown): never {
  if (!(error instanceof Failure) || error.details.status !== 409) throw error;
  const hint = "give it another --name or --as-version, or delete that one first: cistern rm";
  throw new Failure(error.message, { ...error.details, hint });
}

/** Sets the locations and activates: each answer is the artifact as it is then. */
async function complete(session: Session, id: string, url: string, options: AddOptions): Promise<ArtifactView> {
  const path = artifactPath(options.type, id);
  const digests = Object.fromEntries(
    CHECKSUMS.flatMap((one) => (options[one] === undefined ? [] : [[one, options[one]]])),
  );
  const location = { ...digests, ...(options.size === undefined ? {} : { size: options.size }) };
  await setLocation(session, `${path}/${BLOB_FIELD[options.type]}`, { url, ...location });
  for (const mirror of options.mirror) {
    await setLocation(session, `${path}/mirrors/${encodeURIComponent(mirror.name)}`, { url: mirror.url, ...location });
  }
  const active = await patch(session, path, "/status", "active");
  return options.public === true ? patch(session, path, "/visibility", "public") : active;
}

function setLocation(session: Session, path: string, body: unknown): Promise<void> {
  return session.client.send({ method: "PUT", path, body, contentType: LOCATION_TYPE }, session.signal);
}

function patch(session: Session, path: string, pointer: string, value: string): Promise<ArtifactView> {
  const body = [{ op: "replace", path: pointer, value }];
  const contentType = "application/json-patch+json";
  return session.client.call({ method: "PATCH", path, body, contentType }, ARTIFACT_VIEW, session.signal);
}

/** Also after Ctrl-C: a signal of its own. What cannot be undone is said, so that it can be by hand. */
async function undo(session: Session, type: ArtifactType, id: string): Promise<void> {
  try {
    await session.client.send({ method: "DELETE", path: artifactPath(type, id) }, AbortSignal.timeout(10_000));
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    session.terminal.note(`cistern: the half-made record is still there (${error.message}): cistern rm ${id}`);
  }
}

function fieldsOf(url: string, name: string, options: AddOptions): Readonly<Record<string, string>> {
  if (options.type !== "images") return {};
  const diskFormat = options.diskFormat ?? diskFormatOf(name) ?? diskFormatOf(lastSegment(url) ?? "");
  if (diskFormat !== undefined) return { disk_format: diskFormat, container_format: options.containerFormat ?? "bare" };
  throw new Failure(`neither "${printable(name)}" nor the URL tells the disk format`, {
    exit: EXIT.usage,
    code: "unknown-disk-format",
    hint: "give it with --disk-format (qcow2, raw, iso, …), or use --type files for what is no image",
  });
}

function nameOf(url: string): string {
  const last = lastSegment(url);
  if (last !== undefined) return last;
  throw new Failure(`"${printable(url)}" has no file name to name the artifact by`, {
    exit: EXIT.usage,
    code: "invalid-url",
    hint: "give an absolute http or https URL, and a name with --name",
  });
}

/** The file name in a URL; undefined: it has none, or is no URL. */
function lastSegment(url: string): string | undefined {
  const path = URL.canParse(url) ? new URL(url).pathname : "";
  const last = path.split("/").findLast((part) => part !== "");
  return last === undefined ? undefined : decoded(last);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}

function report(session: Session, artifact: ArtifactView, options: AddOptions): void {
  if (session.json) {
    session.terminal.print(JSON.stringify({ type: options.type, ...artifact }));
    return;
  }
  session.terminal.print(
    `${artifact.id}  ${printable(artifact.name)} ${artifact.version}, ${artifact.status}, ${artifact.visibility}`,
  );
  if (CHECKSUMS.every((one) => options[one] === undefined)) {
    session.terminal.note("no checksum was given: the first fetch decides what the bytes are from then on");
  }
}

function parseSize(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("must be a number of bytes.");
}

function collectMirror(text: string, before: readonly Mirror[]): readonly Mirror[] {
  const at = text.indexOf("=");
  if (at < 1 || at === text.length - 1) throw new InvalidArgumentError("must be NAME=URL.");
  return [...before, { name: text.slice(0, at), url: text.slice(at + 1) }];
}
