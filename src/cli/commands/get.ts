import type { Command } from "commander";
import { formatBytes } from "../../config/bytes.ts";
import type { ArtifactType, BlobView } from "../artifact-view.ts";
import { ARTIFACT_VIEW, artifactPath, BLOB_FIELD } from "../artifact-view.ts";
import type { Downloaded, DownloadWatcher } from "../download.ts";
import { download } from "../download.ts";
import type { DownloadTarget } from "../download-target.ts";
import { openTarget } from "../download-target.ts";
import { EXIT, Failure } from "../failure.ts";
import type { Found } from "../find-artifact.ts";
import { findArtifact } from "../find-artifact.ts";
import { RateMeter, renderProgress } from "../progress.ts";
import type { Session } from "../session.ts";
import { openSession } from "../session.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export function defineGet(program: Command, terminal: Terminal): void {
  program
    .command("get")
    .description("download an artifact's bytes, verified; goes on with FILE.part when it was interrupted")
    .argument("<name|id>", "the artifact")
    .option("-o, --output <file>", "file, directory, device, or - for stdout (default: the artifact's name)")
    .action((nameOrId: string, options: { output?: string }, command: Command) =>
      get(openSession(command, terminal), nameOrId, options.output),
    );
}

async function get(session: Session, nameOrId: string, output: string | undefined): Promise<void> {
  const found = await findArtifact(session.client, nameOrId, session.signal);
  if (blobOf(found)?.url == null) {
    throw new Failure(`"${found.artifact.name}" has no bytes: no location is set, and nothing was uploaded`, {
      exit: EXIT.notFound,
      code: "blob-not-found",
    });
  }
  const target = await openTarget(output, found.artifact.name, session.terminal);
  try {
    await pull(session, found, target);
  } catch (error) {
    // What came of a fill that failed its checks is not to be gone on with.
    if (error instanceof Failure && error.details.exit === EXIT.mismatch) await target.discard();
    else await leave(session, target);
    throw error;
  }
}

async function leave({ terminal, json }: Session, target: DownloadTarget): Promise<void> {
  await target.close();
  if (json || target.part === undefined || target.offset === 0) return;
  terminal.note(`${printable(target.part)} is kept: the same command goes on with it`);
}

async function pull(session: Session, found: Found, target: DownloadTarget): Promise<void> {
  const started = performance.now();
  const resumedAt = target.offset;
  let result = await fetchInto(session, found, target);
  let expected = await expectedDigest(session, found, result);
  if (!matches(target, expected) && resumedAt > 0 && (await target.restart())) {
    session.terminal.note("what an earlier run left does not belong to this artifact: beginning again");
    result = await fetchInto(session, found, target);
    expected = await expectedDigest(session, found, result);
  }
  if (!matches(target, expected)) {
    throw new Failure("the bytes are not what the record says, and were dropped", {
      exit: EXIT.mismatch,
      code: "digest-mismatch",
      hint: `sha256 is ${target.digest()}, recorded is ${expected}`,
    });
  }
  await target.commit();
  report(session, found, target, result, expected !== undefined, performance.now() - started);
}

async function fetchInto(session: Session, found: Found, target: DownloadTarget): Promise<Downloaded> {
  const path = `${artifactPath(found.type, found.artifact.id)}/${BLOB_FIELD[found.type]}`;
  const watcher = watch(session, found, target.offset);
  try {
    return await download(session.client, path, target, watcher, session.signal);
  } finally {
    session.terminal.redraw("");
  }
}

function watch(session: Session, found: Found, resumedAt: number): DownloadWatcher {
  const { terminal } = session;
  const meter = new RateMeter(() => performance.now());
  const name = printable(found.artifact.name);
  const recorded = blobOf(found)?.size ?? undefined;
  meter.rate(resumedAt);
  return {
    moved(bytes, total, outcome) {
      const { columns } = terminal;
      if (columns === undefined || !meter.due()) return;
      const rate = meter.rate(bytes);
      terminal.redraw(renderProgress({ name, bytes, total: total ?? recorded, rate, outcome }, columns));
    },
    waiting(failure, seconds) {
      terminal.redraw("");
      terminal.note(`cistern: ${failure.message}: trying again in ${seconds} s`);
    },
  };
}

/** The record's digest, else the response's, else what the first fetch has recorded by now. */
async function expectedDigest(session: Session, found: Found, result: Downloaded): Promise<string | undefined> {
  const known = blobOf(found)?.sha256 ?? result.promised;
  if (known !== undefined) return known;
  const path = artifactPath(found.type, found.artifact.id);
  const artifact = await session.client.call({ method: "GET", path }, ARTIFACT_VIEW, session.signal);
  return blobOf({ type: found.type, artifact })?.sha256 ?? undefined;
}

function matches(target: DownloadTarget, expected: string | undefined): boolean {
  return expected === undefined || target.digest() === expected;
}

function blobOf(found: { readonly type: ArtifactType; readonly artifact: Found["artifact"] }): BlobView | undefined {
  return found.artifact[BLOB_FIELD[found.type]] ?? undefined;
}

function report(
  session: Session,
  found: Found,
  target: DownloadTarget,
  result: Downloaded,
  verified: boolean,
  milliseconds: number,
): void {
  const { terminal, json } = session;
  const bytes = target.offset;
  if (json && target.name !== "stdout") {
    const { id, name } = found.artifact;
    const outcome = result.outcome ?? null;
    const sha256 = target.digest();
    terminal.print(
      JSON.stringify({
        id,
        name,
        file: target.name,
        bytes,
        milliseconds: Math.round(milliseconds),
        outcome,
        sha256,
        verified,
      }),
    );
    return;
  }
  const seconds = Math.max(milliseconds / 1000, 0.001);
  const rate = formatBytes(Math.round(bytes / seconds));
  const check = verified ? "sha256 verified" : "the server named no digest";
  const outcome = result.outcome === undefined ? "" : `${result.outcome}, `;
  const name = printable(target.name);
  terminal.note(`${name}: ${formatBytes(bytes)} in ${seconds.toFixed(1)} s (${rate}/s), ${outcome}${check}`);
}
