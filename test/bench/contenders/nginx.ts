import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { startProgram, untilReady } from "../../support/child-program.ts";
import { freePort } from "../../support/free-port.ts";
import { findProgram } from "../../support/programs.ts";
import type { BenchBlob } from "../blob.ts";
import { blobDigests, type Target } from "../load-program.ts";
import { acceptsConnections } from "./accepts-connections.ts";
import { type Contender, type Starter, type Surroundings, samePath } from "./contender.ts";

interface Variant {
  readonly name: string;
  /** What stands inside `server { }`, beside `listen`. */
  readonly server: (surroundings: Surroundings) => string;
  readonly target: (base: string, surroundings: Surroundings, blob: BenchBlob) => Promise<Target>;
}

const CACHE = `
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_cache blobs;
  proxy_cache_lock on;
  proxy_cache_lock_timeout 120s;
  proxy_cache_lock_age 120s;
  proxy_read_timeout 120s;`;

/** proxy_cache with its lock: one fetch, and everybody else waits for its end. */
export const startNginxCache = starter({
  name: "nginx lock",
  server: ({ origin }) => `location / { proxy_pass ${origin}; ${CACHE} proxy_cache_valid 200 1h; }`,
  target: async (base, _, blob) => samePath(base, blob),
});

/** The slice module: the blob is fetched and locked in pieces of 1 MiB. */
export const startNginxSlice = starter({
  name: "nginx slice",
  server: ({ origin }) => `location / {
    slice 1m;
    proxy_cache_key $uri$slice_range;
    proxy_set_header Range $slice_range;
    proxy_pass ${origin}; ${CACHE} proxy_cache_valid 200 206 1h; }`,
  target: async (base, _, blob) => samePath(base, blob),
});

/** No cache at all: the same file from disk with sendfile, the yardstick of hits. */
export const startNginxStatic = starter({
  name: "nginx static",
  server: ({ directory }) => `root ${directory}/files;`,
  target: async (base, { directory }, blob) => {
    const out = join(directory, "files", blob.path);
    await mkdir(dirname(out), { recursive: true });
    await blobDigests({ seed: blob.seed, size: blob.size, out });
    return samePath(base, blob);
  },
});

/** Passes everything on to one server, as nginx does when it is told no more than that. */
export function nginxProxyOf(upstream: string, pathOf: (blob: BenchBlob) => Promise<string>): Starter {
  return starter({
    name: "nginx proxy",
    server: () => `location / {
      proxy_pass ${upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host ${new URL(upstream).host}; }`,
    target: async (base, _, blob) => ({ ...samePath(base, blob), url: base + (await pathOf(blob)) }),
  });
}

function starter(variant: Variant): Starter {
  return async (surroundings) => {
    const program = findProgram("nginx");
    return program === undefined ? { missing: "nginx" } : await start(program, variant, surroundings);
  };
}

async function start(command: string, variant: Variant, surroundings: Surroundings): Promise<Contender> {
  const { directory } = surroundings;
  const port = await freePort();
  const file = join(directory, "nginx.conf");
  await writeFile(file, configuration(directory, port, variant.server(surroundings)));
  const program = await startProgram(command, ["-c", file, "-p", directory, "-e", join(directory, "error.log")]);
  await untilReady(program, () => acceptsConnections(port), 10_000);
  const base = `http://127.0.0.1:${port}`;
  return {
    name: variant.name,
    pid: program.pid,
    target: (blob) => variant.target(base, surroundings, blob),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

// As Debian ships it (a worker per core, sendfile, tcp_nopush), without the access log.
function configuration(directory: string, port: number, server: string): string {
  const user = process.getuid?.() === 0 ? "user root;" : "";
  return `
${user}
daemon off;
worker_processes auto;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  proxy_cache_path ${directory}/cache levels=1:2 keys_zone=blobs:10m max_size=8g inactive=60m use_temp_path=off;
  server { listen 127.0.0.1:${port}; ${server} }
}
`;
}
