// Opens the catalog in argv[2] and commits without end, or argv[3] times: one line for every commit
// that was acknowledged, written before the next one begins.
import { randomUUID } from "node:crypto";
import { writeSync } from "node:fs";
import { argv } from "node:process";
import { openCatalog } from "../../../src/catalog/open-catalog.ts";
import { newArtifact } from "../records.ts";

const [, , directory = "", times = "Infinity"] = argv;
await using catalog = await openCatalog({ directory });
writeSync(1, "opened\n");
const owner = randomUUID();
for (let n = 0; n < Number(times); n += 1) {
  const { id } = await catalog.artifacts.create(newArtifact({ owner }));
  writeSync(1, `committed ${id}\n`);
}
