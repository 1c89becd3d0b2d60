import { execFile } from "node:child_process";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { startProgram, untilReady } from "../../support/child-program.ts";
import { freePort } from "../../support/free-port.ts";
import { findProgram } from "../../support/programs.ts";
import { acceptsConnections } from "./accepts-connections.ts";
import { type Starter, samePath } from "./contender.ts";

const run = promisify(execFile);

// Squid refuses to stay root; Debian's package makes this user for it.
const ACCOUNT = "proxy";

/** Squid as an accelerator of the origin, with collapsed forwarding, one process. */
export const startSquid: Starter = async ({ origin, directory }) => {
  const command = findProgram("squid");
  if (command === undefined) return { missing: "squid" };
  const port = await freePort();
  const home = join(directory, "squid");
  await mkdir(home);
  if (process.getuid?.() === 0) await handOver(home, directory);
  const file = join(directory, "squid.conf");
  await writeFile(file, configuration(home, port, new URL(origin)));
  await run(command, ["-N", "-z", "-f", file]);
  const program = await startProgram(command, ["-N", "-f", file]);
  await untilReady(program, () => acceptsConnections(port), 20_000);
  return {
    name: "squid",
    pid: program.pid,
    target: async (blob) => samePath(`http://127.0.0.1:${port}`, blob),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
};

async function handOver(home: string, directory: string): Promise<void> {
  const number = async (flag: string) => Number((await run("id", [flag, ACCOUNT])).stdout);
  await chown(home, await number("-u"), await number("-g"));
  await chmod(directory, 0o755);
}

function configuration(home: string, port: number, origin: URL): string {
  return `
http_port 127.0.0.1:${port} accel no-vhost defaultsite=${origin.host}
cache_peer ${origin.hostname} parent ${origin.port} 0 no-query no-digest originserver name=origin
http_access allow all
cache_peer_access origin allow all
never_direct allow all
collapsed_forwarding on
cache_effective_user ${ACCOUNT}
cache_mem 1 GB
maximum_object_size 2 GB
maximum_object_size_in_memory 128 MB
cache_dir ufs ${home}/cache 8192 16 16
coredump_dir ${home}
cache_log ${home}/cache.log
cache_store_log none
access_log none
pid_filename none
pinger_enable off
shutdown_lifetime 1 seconds
`;
}
