// Run as a process of its own: a replica with one fill that does not end, of which it has one MiB.
// Prints how its leases name it, and expects to be killed.

import { seededBytes } from "../store/seeded-bytes.ts";
import { MemoryFill, MemoryRelayHost } from "./memory-relay-host.ts";
import { startRelayServer } from "./relay-server.ts";

const host = new MemoryRelayHost();
host.begin("key", 1, new MemoryFill("http://origin.example/blob").append(seededBytes(1, 1024 * 1024)));
console.log((await startRelayServer(host)).self);
