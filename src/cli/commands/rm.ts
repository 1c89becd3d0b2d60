import type { Command } from "commander";
import { artifactPath } from "../artifact-view.ts";
import { findArtifact } from "../find-artifact.ts";
import type { Session } from "../session.ts";
import { openSession } from "../session.ts";
import { printable } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export function defineRm(program: Command, terminal: Terminal): void {
  program
    .command("rm")
    .description("delete an artifact: its record, and what only it kept in the cache; never anything at the origin")
    .argument("<name|id>", "the artifact")
    .action((nameOrId: string, _options: unknown, command: Command) => rm(openSession(command, terminal), nameOrId));
}

async function rm(session: Session, nameOrId: string): Promise<void> {
  const { type, artifact } = await findArtifact(session.client, nameOrId, session.signal);
  await session.client.send({ method: "DELETE", path: artifactPath(type, artifact.id) }, session.signal);
  const { id, name } = artifact;
  session.terminal.print(
    session.json ? JSON.stringify({ deleted: { id, type, name } }) : `deleted ${id} (${printable(name)})`,
  );
}
