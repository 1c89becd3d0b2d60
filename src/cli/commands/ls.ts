import type { Command } from "commander";
import { Option } from "commander";
import { formatBytes } from "../../config/bytes.ts";
import type { ArtifactType } from "../artifact-view.ts";
import { ARTIFACT_TYPES, BLOB_FIELD } from "../artifact-view.ts";
import type { Found } from "../find-artifact.ts";
import { listArtifacts } from "../find-artifact.ts";
import type { Session } from "../session.ts";
import { openSession } from "../session.ts";
import { printable, table } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export function defineLs(program: Command, terminal: Terminal): void {
  program
    .command("ls")
    .description("list the artifacts that the token may see")
    .addOption(new Option("--type <type>", "one type only").choices(ARTIFACT_TYPES))
    .action((options: { type?: ArtifactType }, command: Command) => ls(openSession(command, terminal), options.type));
}

async function ls(session: Session, type: ArtifactType | undefined): Promise<void> {
  const found = await listArtifacts(session.client, type === undefined ? {} : { type }, session.signal);
  if (session.json) {
    session.terminal.print(JSON.stringify({ artifacts: found.map((one) => ({ type: one.type, ...one.artifact })) }));
  } else if (found.length === 0) {
    session.terminal.note("no artifacts (cistern add URL registers one)");
  } else {
    const header = ["ID", "TYPE", "NAME", "VERSION", "STATUS", "VISIBILITY", "SIZE", "SHA256", "FROM"];
    session.terminal.print(table(header, found.map(rowOf)));
  }
}

function rowOf({ type, artifact }: Found): readonly string[] {
  const blob = artifact[BLOB_FIELD[type]];
  const size = blob?.size == null ? "-" : formatBytes(blob.size);
  const from = blob?.url == null ? "-" : blob.external === true ? printable(blob.url) : "uploaded";
  const digest = blob?.sha256?.slice(0, 12) ?? "-";
  return [
    artifact.id,
    type,
    printable(artifact.name),
    artifact.version,
    artifact.status,
    artifact.visibility,
    size,
    digest,
    from,
  ];
}
