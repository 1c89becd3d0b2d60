import { and, eq, inArray, ne, notExists, sql } from "drizzle-orm";
import type { Leaving } from "./bequeath.ts";
import { blobs, contents } from "./schema.ts";
import type { Queries } from "./session.ts";

/**
 * Condemns what these blobs had earned and no other blob has. Their rows are locked first,
 * and whoever earns content locks its row too: one of the two sees what the other did (I5).
 */
export async function condemnUnreferenced(tx: Queries, left: readonly Leaving[]): Promise<void> {
  const candidates = left.flatMap((blob) => blob.contentSha256 ?? []);
  if (candidates.length === 0) return;
  await tx
    .select({ sha256: contents.sha256 })
    .from(contents)
    .where(inArray(contents.sha256, candidates))
    .orderBy(contents.sha256)
    .for("update");
  // A statement of its own: it sees what was committed while the locks were waited for.
  await tx
    .update(contents)
    .set({ state: "condemned", condemnedAt: sql`clock_timestamp()` })
    .where(
      and(
        inArray(contents.sha256, candidates),
        ne(contents.state, "condemned"),
        notExists(tx.select({ one: sql`1` }).from(blobs).where(eq(blobs.contentSha256, contents.sha256))),
      ),
    );
}
