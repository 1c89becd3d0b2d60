import type { Validator } from "../../domain/source.ts";
import type { SpoolHeader } from "../../domain/spool.ts";

/** A resume point: the first `offset` bytes are synced and have this SHA-256. */
export interface Checkpoint {
  readonly offset: number;
  readonly sha256: string;
}

export interface JournalContent {
  readonly header: SpoolHeader | undefined;
  /** In the order in which they were noted. */
  readonly checkpoints: readonly Checkpoint[];
}

/** A record stands between two line ends, so that a torn one spoils only itself. */
export function headerLine({ key, url, validator, size }: SpoolHeader): string {
  return `\n${JSON.stringify({ key, url, validator: validator ?? null, size: size ?? null })}\n`;
}

export function checkpointLine({ offset, sha256 }: Checkpoint): string {
  return `\n${JSON.stringify({ offset, sha256 })}\n`;
}

/** Reads a journal; the last header counts, and what is no whole record is passed over. */
export function parseJournal(text: string): JournalContent {
  let header: SpoolHeader | undefined;
  const checkpoints: Checkpoint[] = [];
  for (const line of text.split("\n")) {
    const record = parseLine(line);
    if (record === undefined) continue;
    const checkpoint = asCheckpoint(record);
    if (checkpoint === undefined) header = asHeader(record) ?? header;
    else checkpoints.push(checkpoint);
  }
  return { header, checkpoints };
}

type Fields = Readonly<Record<string, unknown>>;

function parseLine(line: string): Fields | undefined {
  if (line === "") return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isFields(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asCheckpoint({ offset, sha256 }: Fields): Checkpoint | undefined {
  if (!isByteCount(offset) || typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return { offset, sha256 };
}

function asHeader({ key, url, validator, size }: Fields): SpoolHeader | undefined {
  if (typeof key !== "string" || typeof url !== "string") return undefined;
  if (size !== null && !isByteCount(size)) return undefined;
  if (validator !== null && asValidator(validator) === undefined) return undefined;
  return { key, url, validator: asValidator(validator), size: size ?? undefined };
}

function asValidator(value: unknown): Validator | undefined {
  if (!isFields(value) || typeof value.value !== "string") return undefined;
  return value.kind === "etag" || value.kind === "last-modified" ? { kind: value.kind, value: value.value } : undefined;
}

function isByteCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
