import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startProgram, untilReady } from "../../support/child-program.ts";
import { freePort } from "../../support/free-port.ts";
import { findProgram } from "../../support/programs.ts";
import { acceptsConnections } from "./accepts-connections.ts";
import { type Starter, samePath } from "./contender.ts";

/** Varnish as Debian ships it: streaming, requests for one object coalesced, everything in memory. */
export const startVarnish: Starter = async ({ origin, directory }) => {
  const command = findProgram("varnishd");
  if (command === undefined) return { missing: "varnish" };
  const port = await freePort();
  const { hostname, port: originPort } = new URL(origin);
  const vcl = join(directory, "bench.vcl");
  await writeFile(
    vcl,
    `vcl 4.1;
backend origin { .host = "${hostname}"; .port = "${originPort}"; .first_byte_timeout = 120s; .between_bytes_timeout = 60s; }
`,
  );
  const work = join(directory, "work");
  // -j none: it stays the user that it is, for the directory is that user's.
  const args = ["-F", "-j", "none", "-n", work, "-a", `127.0.0.1:${port}`, "-f", vcl, "-s", "malloc,2g"];
  const program = await startProgram(command, args);
  await untilReady(program, () => acceptsConnections(port), 20_000);
  return {
    name: "varnish",
    pid: program.pid,
    target: async (blob) => samePath(`http://127.0.0.1:${port}`, blob),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
};
