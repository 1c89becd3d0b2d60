import { and, asc, eq, exists, gt, inArray, sql } from "drizzle-orm";
import type { Fence, ObjectName } from "../domain/content.ts";
import { fenceOf, objectOf } from "./content-row.ts";
import { blobs, contents } from "./schema.ts";
import type { Session } from "./session.ts";

const PAGE = 500;
/** What is quarantined may have all its bytes after all: reading it tells. */
const KEPT = inArray(contents.state, ["admitted", "quarantined"]);

/** Content of a catalog that moves. */
export interface MovableContent {
  readonly object: ObjectName;
  /** Bytes. */
  readonly size: number;
  /** Uploaded: nothing but this catalog's store has its bytes. */
  readonly internal: boolean;
  /** None of its locations delivers it any more. */
  readonly irreplaceable: boolean;
}

/** Everything that a catalog's store has to hold, in the order of the digests. */
export async function* movableContents(from: Session, signal: AbortSignal): AsyncGenerator<MovableContent> {
  for (let after = ""; ; ) {
    signal.throwIfAborted();
    const page = await from.query((db) => {
      const uploaded = db
        .select({ one: sql`1` })
        .from(blobs)
        .where(and(eq(blobs.contentSha256, contents.sha256), eq(blobs.kind, "internal")));
      return db
        .select({
          sha256: contents.sha256,
          fence: contents.fence,
          size: contents.size,
          internal: sql<boolean>`${exists(uploaded)}`,
          irreplaceable: sql<boolean>`${contents.irreplaceableSince} is not null`,
        })
        .from(contents)
        .where(and(KEPT, gt(contents.sha256, after)))
        .orderBy(asc(contents.sha256))
        .limit(PAGE);
    });
    for (const { size, internal, irreplaceable, ...row } of page) {
      yield { object: objectOf(row), size, internal, irreplaceable };
    }
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.sha256;
  }
}

/** How much that is. */
export async function movableBytes(from: Session): Promise<{ readonly count: number; readonly bytes: number }> {
  const [row] = await from.query((db) =>
    db
      .select({ count: sql<string>`count(*)`, bytes: sql<string>`coalesce(sum(${contents.size}), 0)` })
      .from(contents)
      .where(KEPT),
  );
  return { count: Number(row?.count ?? 0), bytes: Number(row?.bytes ?? 0) };
}

/** No fence above this one was ever given. */
export async function highestFence(from: Session): Promise<Fence> {
  const [row] = await from.query((db) =>
    db.execute<{ highest: string }>(sql`
      select greatest((select last_value from fence), (select max(fence) from contents)) as highest`),
  );
  return fenceOf(Number(row?.highest ?? 0));
}
