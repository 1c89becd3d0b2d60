import { opendir, readFile, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { SpoolHeader } from "../../domain/spool.ts";
import { errnoOf } from "../io-error.ts";
import { type Checkpoint, type JournalContent, parseJournal } from "./journal-record.ts";

/** What an earlier process, or an earlier fill of this one, left in the spool. */
export interface Remnant {
  readonly id: string;
  /** Bytes that it occupies. */
  readonly bytes: number;
  /** When bytes were written last, in milliseconds since 1970. */
  readonly modifiedAt: number;
  /** undefined: it cannot be resumed. */
  readonly resume: { readonly header: SpoolHeader; readonly checkpoint: Checkpoint } | undefined;
}

export function spoolPath(directory: string, id: string): string {
  return join(directory, `${id}.spool`);
}

export function journalPath(directory: string, id: string): string {
  return join(directory, `${id}.journal`);
}

/** Reads what lies in a spool's directory; journals without bytes and unfinished drafts are deleted. */
export async function readRemains(directory: string): Promise<Remnant[]> {
  const names = new Set<string>();
  for await (const entry of await opendir(directory)) names.add(entry.name);
  const remains: Remnant[] = [];
  for (const name of names) {
    const [, id, kind] = /^(.+)\.(spool|journal|journal\.new)$/.exec(name) ?? [];
    if (id === undefined) continue;
    if (kind === "spool") remains.push(await readRemnant(directory, id));
    else if (kind !== "journal" || !names.has(`${id}.spool`)) await unlinkIfThere(join(directory, name));
  }
  return remains;
}

/** Deletes bytes and journal; what is gone already is no error. */
export async function deleteRemnant(directory: string, id: string): Promise<void> {
  await unlinkIfThere(spoolPath(directory, id));
  await unlinkIfThere(journalPath(directory, id));
}

export async function unlinkIfThere(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

async function readRemnant(directory: string, id: string): Promise<Remnant> {
  const { size, mtimeMs } = await stat(spoolPath(directory, id));
  const { header, checkpoints } = await readJournal(journalPath(directory, id));
  const checkpoint = furthest(checkpoints, size);
  const resume = header === undefined || checkpoint === undefined ? undefined : { header, checkpoint };
  return { id, bytes: size, modifiedAt: mtimeMs, resume };
}

async function readJournal(path: string): Promise<JournalContent> {
  try {
    return parseJournal(await readFile(path, "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return { header: undefined, checkpoints: [] };
    throw error;
  }
}

/** The furthest resume point whose bytes are all there. */
function furthest(checkpoints: readonly Checkpoint[], size: number): Checkpoint | undefined {
  let best: Checkpoint | undefined;
  for (const checkpoint of checkpoints) {
    if (checkpoint.offset > 0 && checkpoint.offset <= size && checkpoint.offset >= (best?.offset ?? 0))
      best = checkpoint;
  }
  return best;
}
