// Opens the catalog in argv[2] as a new process of the embedded kind does, and takes leases without
// end: one line for every fence that was given out.
import { writeSync } from "node:fs";
import { argv } from "node:process";
import { openCatalog } from "../../../src/catalog/open-catalog.ts";

const [, , directory = ""] = argv;
await using catalog = await openCatalog({ directory });
await catalog.leases.releaseAll("embedded");
for (let n = 0; ; n += 1) {
  const answer = await catalog.leases.take(`key ${n}`, "embedded", 60_000);
  if (answer.kind === "taken") writeSync(1, `${answer.lease.fence}\n`);
}
