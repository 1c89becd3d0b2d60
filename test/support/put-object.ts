import type { ObjectName } from "../../src/domain/content.ts";
import type { ContentStore } from "../../src/domain/content-store.ts";
import type { SpoolFile } from "../../src/domain/spool.ts";

/** Puts a sealed spool into a store in one go. */
export async function putObject(
  store: Pick<ContentStore, "stage">,
  name: ObjectName,
  spool: SpoolFile,
  signal: AbortSignal,
): Promise<void> {
  await using staging = store.stage(name, spool, spool.written);
  staging.advance(spool.written);
  await staging.commit(signal);
}
