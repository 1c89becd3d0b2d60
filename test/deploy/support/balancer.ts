import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { answersOk, startProgram, untilReady } from "../../support/child-program.ts";
import { freePort } from "../../support/free-port.ts";
import { findProgram } from "../../support/programs.ts";
import { CLONE } from "./validators.ts";

export const CONFIGURATION = "deploy/haproxy.cfg";

/** HAProxy with deploy/haproxy.cfg, of which only addresses are changed. */
export interface Balancer extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Its log so far. */
  output(): string;
}

/**
 * Starts HAProxy in front of two servers, `host:port` each (both listeners of a replica may be the
 * same), and waits until it has found one of them ready.
 */
export async function startBalancer(folder: string, replicas: readonly [string, string]): Promise<Balancer> {
  const command = findProgram("haproxy");
  if (command === undefined) throw new Error("haproxy is not installed");
  const [port, admin, alive] = [await freePort(), await freePort(), await freePort()];
  const places = new Map([
    ["bind :8080", `bind 127.0.0.1:${port}`],
    ["bind :9090", `bind 127.0.0.1:${admin}`],
    ["bind 127.0.0.1:8404", `bind 127.0.0.1:${alive}`],
    ["cistern-1:8080", replicas[0]],
    ["cistern-2:8080", replicas[1]],
    ["cistern-1:9090", replicas[0]],
    ["cistern-2:9090", replicas[1]],
  ]);
  let text = await readFile(join(CLONE, CONFIGURATION), "utf8");
  for (const [from, to] of places) {
    if (text.split(from).length !== 2) throw new Error(`${CONFIGURATION} must hold "${from}" once`);
    text = text.replace(from, to);
  }
  const file = join(folder, "haproxy.cfg");
  await writeFile(file, text);
  const program = await startProgram(command, ["-db", "-f", file]);
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilReady(
      program,
      async () => (await answersOk(`http://127.0.0.1:${alive}/alive`)) && answersOk(`${url}/readyz`),
      30_000,
    );
  } catch (error) {
    await program.kill("SIGKILL");
    throw error;
  }
  return { url, port, output: () => program.output(), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
