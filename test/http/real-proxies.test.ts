import { writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EdgeEnv } from "../../src/http/caller.ts";
import { clientAddress } from "../../src/http/client-address.ts";
import { TlsFiles } from "../../src/http/tls-files.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { makeCertificate } from "../support/certificate.ts";
import { answersOk, startProgram, untilReady } from "../support/child-program.ts";
import { freePort } from "../support/free-port.ts";
import { findProgram, requireProgram } from "../support/programs.ts";
import { exchange, head, openServer } from "./edge-server.ts";
import { proxyBytes } from "./proxy-bytes.ts";

/** The client that the balancers see; they themselves come from 127.0.0.1. */
const CLIENT = "127.0.0.7";
const FORGED = { Connection: "close", "X-Forwarded-For": "192.0.2.66" };
const routes = new Hono<EdgeEnv>().get("/who", (c) => c.text(clientAddress(c.env.incoming)));
const options = { routes, trustedProxies: ["127.0.0.1/32"] };

const stack = new AsyncDisposableStack();
let directory: string;

beforeAll(async () => {
  directory = stack.use(await temporaryDirectory()).path;
});
afterAll(() => stack.disposeAsync());

async function started(name: string, args: readonly string[], port: number): Promise<void> {
  const program = stack.use(await startProgram(findProgram(name) ?? name, args));
  await untilReady(program, () => answersOk(`http://127.0.0.1:${port}/who`), 10_000);
}

const haproxyConfig = (plain: number, secure: number, ports: readonly number[]) => `
defaults
  timeout connect 5s
  timeout client 10s
  timeout server 10s
listen tcp
  mode tcp
  bind 127.0.0.1:${ports[0]}
  server edge 127.0.0.1:${plain} send-proxy-v2 check check-send-proxy inter 100ms
listen http
  mode http
  option forwardfor
  bind 127.0.0.1:${ports[1]}
  server edge 127.0.0.1:${plain}
listen both
  mode http
  option forwardfor
  bind 127.0.0.1:${ports[2]}
  server edge 127.0.0.1:${plain} send-proxy-v2
listen tls
  mode tcp
  bind 127.0.0.1:${ports[3]}
  server edge 127.0.0.1:${secure} send-proxy-v2-ssl-cn
`;

describe.skipIf(!requireProgram("haproxy") || !requireProgram("openssl"))("behind HAProxy", () => {
  let ports: number[];
  let ca: string;

  beforeAll(async () => {
    const certificate = await makeCertificate(directory, "edge");
    ca = certificate.cert;
    const tls = stack.use(await TlsFiles.open(certificate, { emit: () => undefined }));
    const [plain, secure] = [stack.use(await openServer(options)), stack.use(await openServer({ ...options, tls }))];
    ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    const file = join(directory, "haproxy.cfg");
    await writeFile(file, haproxyConfig(plain.port, secure.port, ports));
    await started("haproxy", ["-db", "-f", file], ports[0] ?? 0);
  });

  test.each([
    ["PROXY version 2", 0],
    ["X-Forwarded-For", 1],
    ["both", 2],
  ])("the client is the balancer's client, whatever it forges, by %s", async (_name, index) => {
    const reply = await exchange(ports[index] ?? 0, head("/who", FORGED), { from: CLIENT });
    expect([reply.status, reply.body]).toEqual([200, CLIENT]);
  });

  test("the client is the balancer's client over TLS that ends here", async () => {
    const sent = request({
      host: "127.0.0.1",
      port: ports[3],
      path: "/who",
      localAddress: CLIENT,
      ca,
      headers: FORGED,
      agent: false,
    });
    const body = new Promise<string>((resolve, reject) => {
      sent.once("error", reject).once("response", (response) => text(response).then(resolve, reject));
    });
    sent.end();
    expect(await body).toBe(CLIENT);
  });

  test("a client's own PROXY header is a bad request", async () => {
    const forged = Buffer.concat([proxyBytes("192.0.2.66"), Buffer.from(head("/who"))]);
    expect((await exchange(ports[0] ?? 0, forged, { from: CLIENT })).status).toBe(400);
  });
});

const nginxConfig = (edge: number, port: number) => `
daemon off;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  upstream edge { server 127.0.0.1:${edge}; keepalive 4; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://edge;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`;

describe.skipIf(!requireProgram("nginx"))("behind nginx", () => {
  test("the client is nginx's client, whatever it forges, on a connection that others use too", async () => {
    const edge = stack.use(await openServer(options));
    const port = await freePort();
    const file = join(directory, "nginx.conf");
    await writeFile(file, nginxConfig(edge.port, port));
    await started("nginx", ["-c", file, "-p", directory, "-e", join(directory, "error.log")], port);
    for (const from of [CLIENT, "127.0.0.8", CLIENT]) {
      expect((await exchange(port, head("/who", FORGED), { from })).body).toContain(from);
    }
  });
});
