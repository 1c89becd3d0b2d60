import { eq } from "drizzle-orm";
import type { Admission, Admitted } from "../domain/content-catalog.ts";
import { CisternError } from "../domain/errors.ts";
import { requireNotBlocked } from "./blocks.ts";
import { objectOf } from "./content-row.ts";
import { lockedReferrers, recordOnBlobs } from "./earn-content.ts";
import { isThis } from "./leases.ts";
import { leases, reservations } from "./schema.ts";
import type { Queries } from "./session.ts";
import { lockedContent, writeContent } from "./write-content.ts";

/** The end of a fill: see ContentCatalog.admit. */
export async function admit(tx: Queries, admission: Admission): Promise<Admitted> {
  const { lease, digests, size } = admission;
  const [held] = await tx.select().from(leases).where(isThis(lease)).for("update");
  if (held === undefined) throw new CisternError("precondition-failed", "the fill was taken over");
  const rows = await lockedReferrers(tx, admission.blobs);
  await tx.delete(leases).where(eq(leases.key, lease.key));
  // From the commit on the content itself counts, or nothing does.
  await tx.delete(reservations).where(eq(reservations.fence, lease.fence));
  if (rows.length === 0) return { kind: "unreferenced" };
  await requireNotBlocked(tx, digests.sha256);
  const before = await lockedContent(tx, digests.sha256);
  const object = await writeContent(tx, { digests, size, fence: lease.fence, account: admission.account });
  await recordOnBlobs(tx, rows, { digests, size, source: admission.digestSource }, true);
  if (object.fence !== lease.fence) return { kind: "existing", object };
  return { kind: "admitted", object, ...(before?.state === "quarantined" ? { replaced: objectOf(before) } : {}) };
}
