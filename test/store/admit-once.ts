// Run as a process of its own, under strace: admits one object and prints its path.

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { putObject } from "../support/put-object.ts";
import { nameOf } from "./object-name.ts";

const [directory = ""] = process.argv.slice(2);
const spool = await openSpool(join(directory, "spool"), 1e9);
const root = join(directory, "store");
const store = await openFilesystemStore(root);
const bytes = randomBytes(3_000_000);
await using file = await spool.create(bytes.length);
await file.append(bytes);
await file.seal();
const name = nameOf(bytes);
await putObject(store, name, file, new AbortController().signal);
await file.discard();
const { sha256: hex } = name;
console.log(join(root, "sha256", hex.slice(0, 2), hex.slice(2, 4), hex, String(name.fence)));
