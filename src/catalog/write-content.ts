import { eq, sql } from "drizzle-orm";
import type { Fence, ObjectName } from "../domain/content.ts";
import type { ContentAccount } from "../domain/content-catalog.ts";
import { contradiction, type Digests, type Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import { worthOfNew } from "../domain/eviction.ts";
import { type ContentRow, objectOf } from "./content-row.ts";
import { digestsOf, mergedColumns } from "./digest-columns.ts";
import { capacity, contents } from "./schema.ts";
import type { Queries } from "./session.ts";

const ATTEMPTS = 3;

/** Verified bytes that are durable in the store under (sha256, fence). */
export interface DurableObject {
  readonly digests: Digests & { readonly sha256: Sha256 };
  /** Bytes. */
  readonly size: number;
  readonly fence: Fence;
  readonly account: ContentAccount;
}

/** What was evicted last was worth so much: newcomers begin there. */
const INFLATION = sql`(select inflation from ${capacity})`;
const after = (milliseconds: number | undefined) =>
  milliseconds === undefined ? null : sql`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`;

/** The row of a content, locked until the transaction ends. */
export async function lockedContent(tx: Queries, sha256: Sha256): Promise<ContentRow | undefined> {
  const [row] = await tx.select().from(contents).where(eq(contents.sha256, sha256)).for("update");
  return row;
}

/**
 * Writes the row of a content, or joins the one that is there; answers the object that counts.
 * A condemned one takes the new generation: its own object may be going this very moment.
 */
export async function writeContent(tx: Queries, object: DurableObject): Promise<ObjectName> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const written = (await insertContent(tx, object)) ?? (await joinRow(tx, object));
    if (written !== undefined) return objectOf(written);
  }
  throw new CisternError("catalog-unavailable", "the content comes and goes; try again later", { retryAfter: 1 });
}

/** The columns of what has just been fetched: that was its first read. */
function fresh({ fence, account }: DurableObject) {
  const { turns, value } = worthOfNew(0);
  return {
    state: "admitted" as const,
    fence,
    hits: 1,
    turns,
    value: sql`${INFLATION} + ${value}`,
    project: account.project,
    origin: account.origin,
    keepUntil: after(account.keepMs),
    dropAfter: after(account.dropMs),
  };
}

async function insertContent(tx: Queries, object: DurableObject): Promise<ContentRow | undefined> {
  const { digests, size } = object;
  const [inserted] = await tx
    .insert(contents)
    .values({ ...mergedColumns(digests, {}), sha256: digests.sha256, size, ...fresh(object) })
    .onConflictDoNothing({ target: contents.sha256 })
    .returning();
  return inserted;
}

/** undefined: the row that was in the way has gone meanwhile. */
async function joinRow(tx: Queries, object: DurableObject): Promise<ContentRow | undefined> {
  const { digests, size, account } = object;
  const row = await lockedContent(tx, digests.sha256);
  if (row === undefined) return undefined;
  if (row.size !== size || contradiction(digestsOf(row), digests) !== undefined) {
    throw new CisternError("digest-mismatch", "the bytes contradict admitted content of the same sha256");
  }
  const [joined] = await tx
    .update(contents)
    .set({
      // A later fill may know more algorithms.
      ...mergedColumns(digestsOf(row), digests),
      sha256: row.sha256,
      lastReadAt: sql`clock_timestamp()`,
      ...(row.state === "admitted" ? {} : { ...fresh(object), condemnedAt: null, admittedAt: sql`clock_timestamp()` }),
      // Somebody outside has just delivered it.
      ...(account.origin === "" ? {} : { irreplaceableSince: null }),
    })
    .where(eq(contents.sha256, digests.sha256))
    .returning();
  return joined;
}
