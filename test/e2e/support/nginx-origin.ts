import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { answersOk, startProgram, untilReady } from "../../support/child-program.ts";
import { freePort } from "../../support/free-port.ts";
import { findProgram } from "../../support/programs.ts";

/** A real web server that serves the files of a directory. */
export interface NginxOrigin extends AsyncDisposable {
  /** Where to put files. */
  readonly files: string;
  /** The file as fast as it goes, or at so many bytes per second (one of `rates`). */
  url(name: string, rate?: number): string;
}

/** Starts nginx in the directory; `rates` are the speeds, in bytes per second, that `url` can be asked for. */
export async function startNginxOrigin(directory: string, rates: readonly number[]): Promise<NginxOrigin> {
  const command = findProgram("nginx");
  if (command === undefined) throw new Error("nginx is not installed");
  const files = join(directory, "files");
  await mkdir(files, { recursive: true });
  const port = await freePort();
  const file = join(directory, "nginx.conf");
  await writeFile(file, configuration(directory, files, port, rates));
  const program = await startProgram(command, ["-c", file, "-p", directory, "-e", join(directory, "error.log")]);
  const base = `http://127.0.0.1:${port}`;
  await untilReady(program, () => answersOk(`${base}/ready`), 10_000);
  return {
    files,
    url: (name, rate) => (rate === undefined ? `${base}/${name}` : `${base}/rate-${rate}/${name}`),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

function configuration(directory: string, files: string, port: number, rates: readonly number[]): string {
  const throttled = rates.map((rate) => `location /rate-${rate}/ { alias ${files}/; limit_rate ${rate}; }`);
  return `
${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 256; }
http {
  access_log off;
  sendfile on;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  server {
    listen 127.0.0.1:${port};
    location = /ready { return 200; }
    location / { root ${files}; }
    ${throttled.join("\n    ")}
  }
}
`;
}
