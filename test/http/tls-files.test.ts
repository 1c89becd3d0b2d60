import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { Hono } from "hono";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { isCisternError } from "../../src/domain/errors.ts";
import type { CisternEvent } from "../../src/domain/events.ts";
import { TlsFiles } from "../../src/http/tls-files.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { type Certificate, makeCertificate } from "../support/certificate.ts";
import { requireProgram } from "../support/programs.ts";
import { exchange, head, open, openServer, secured } from "./edge-server.ts";

const stack = new AsyncDisposableStack();
const routes = new Hono().get("/", (c) => c.text("served"));
const CLOSE = { Connection: "close" };
let directory: string;
let one: Certificate;
let other: Certificate;
let events: CisternEvent[] = [];
const sink = { emit: (event: CisternEvent) => void events.push(event) };

describe.skipIf(!requireProgram("openssl"))("the TLS pair", () => {
  beforeAll(async () => {
    directory = stack.use(await temporaryDirectory()).path;
    one = await makeCertificate(directory, "one");
    other = await makeCertificate(directory, "other");
  });
  afterAll(() => stack.disposeAsync());
  beforeEach(() => {
    events = [];
  });

  test.each([
    ["CISTERN_TLS_CERT", "a certificate that is not there", () => ({ ...one, certFile: join(directory, "none") })],
    ["CISTERN_TLS_KEY", "a key that is not there", () => ({ ...one, keyFile: join(directory, "none") })],
    ["CISTERN_TLS_CERT", "a certificate that is none", () => ({ ...one, certFile: one.keyFile })],
    ["CISTERN_TLS_KEY", "a key that is none", () => ({ ...one, keyFile: one.certFile })],
    ["CISTERN_TLS_KEY", "the key of another certificate", () => ({ ...one, keyFile: other.keyFile })],
  ])("is refused at the start, naming %s, with %s", async (field, _name, paths) => {
    const error = await TlsFiles.open(paths(), sink).catch((thrown: unknown) => thrown);
    expect(isCisternError(error, "invalid-config") && error.fields).toMatchObject([{ field }]);
    expect(error).toHaveProperty("message", expect.stringMatching(new RegExp(`^${field} (names|must) `)));
    expect(String(error)).not.toContain("PRIVATE KEY");
  });

  test("is taken anew when the files change, and running connections go on", async () => {
    const files = await copied(one);
    using tls = await TlsFiles.open(files, sink, 10);
    await using edge = await openServer({ routes, tls });
    using before = await open(edge.port, { ca: one.cert });
    expect((await exchange(edge.port, head("/", CLOSE), { ca: one.cert })).status).toBe(200);
    await replace(other, files);
    await expect.poll(() => events.at(-1)?.kind).toBe("tls-reloaded");
    expect(events).toEqual([
      { kind: "tls-reloaded", notAfter: new X509Certificate(other.cert).validToDate.toISOString() },
    ]);
    expect((await exchange(edge.port, head("/", CLOSE), { ca: other.cert })).status).toBe(200);
    before.write(head("/", CLOSE));
    expect(String((await once(before, "data"))[0])).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("is found when a symlink above the files is swapped, as Kubernetes does", async () => {
    const mount = join(directory, "mount");
    for (const [name, { certFile, keyFile }] of [
      ["..1", one],
      ["..2", other],
    ] as const) {
      await mkdir(join(mount, name), { recursive: true });
      await copyFile(certFile, join(mount, name, "tls.crt"));
      await copyFile(keyFile, join(mount, name, "tls.key"));
    }
    await symlink("..1", join(mount, "..data"));
    await symlink("..data/tls.crt", join(mount, "tls.crt"));
    await symlink("..data/tls.key", join(mount, "tls.key"));
    const paths = { certFile: join(mount, "tls.crt"), keyFile: join(mount, "tls.key") };
    using tls = await TlsFiles.open(paths, sink, 10);
    await using edge = await openServer({ routes, tls });
    await symlink("..2", join(mount, "..data_tmp"));
    await rename(join(mount, "..data_tmp"), join(mount, "..data"));
    await expect.poll(() => events.at(-1)?.kind).toBe("tls-reloaded");
    expect((await exchange(edge.port, head("/", CLOSE), { ca: other.cert })).status).toBe(200);
  });

  test("that is not usable changes nothing, is told of once, and is forgotten with the next good one", async () => {
    const files = await copied(one);
    using tls = await TlsFiles.open(files, sink, 10);
    await using edge = await openServer({ routes, tls });
    await writeFile(files.certFile, "no certificate");
    await expect.poll(() => events.map(({ kind }) => kind)).toEqual(["tls-reload-failed"]);
    expect(events[0]).toMatchObject({ cause: { code: "invalid-config" } });
    expect((await exchange(edge.port, head("/", CLOSE), { ca: one.cert })).status).toBe(200);
    await rm(files.keyFile);
    await expect.poll(() => events.map(({ kind }) => kind)).toEqual(["tls-reload-failed", "tls-reload-failed"]);
    await replace(other, files);
    await expect.poll(() => events.at(-1)?.kind).toBe("tls-reloaded");
    expect((await exchange(edge.port, head("/", CLOSE), { ca: other.cert })).status).toBe(200);
    // The two files are not replaced at one moment: what lies between may be told of as well.
    expect(events.filter(({ kind }) => kind === "tls-reloaded")).toHaveLength(1);
  });

  test("is taken at once, and told of at once, when somebody asks for it", async () => {
    const files = await copied(one);
    using tls = await TlsFiles.open(files, sink, 3_600_000);
    await using edge = await openServer({ routes, tls });
    await copyFile(other.certFile, files.certFile);
    await tls.reload();
    expect(events.map(({ kind }) => kind)).toEqual(["tls-reload-failed"]);
    await copyFile(other.keyFile, files.keyFile);
    await tls.reload();
    expect(events.map(({ kind }) => kind)).toEqual(["tls-reload-failed", "tls-reloaded"]);
    expect((await exchange(edge.port, head("/", CLOSE), { ca: other.cert })).status).toBe(200);
  });

  test("is offered with TLS 1.2 or later, and http/1.1 alone", async () => {
    using tls = await TlsFiles.open(one, sink);
    await using edge = await openServer({ routes, tls });
    const socket = await secured(await open(edge.port), one.cert);
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(["TLSv1.3", "http/1.1"]);
    socket.destroy();
    const refused = async (options: object) => {
      const old = connect({ host: "127.0.0.1", port: edge.port, ca: one.cert, ...options });
      return await once(old, "secureConnect").then(
        () => "taken",
        (error: unknown) => (error instanceof Error && "code" in error ? error.code : "failed"),
      );
    };
    const ciphers = "DEFAULT@SECLEVEL=0";
    expect(await refused({ maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers })).toMatch(/ALERT_PROTOCOL_VERSION/);
    expect(await refused({ ALPNProtocols: ["h2"] })).toMatch(/NO_APPLICATION_PROTOCOL/);
    // Plain HTTP where TLS is spoken ends the connection.
    using plain = await open(edge.port);
    plain.on("error", () => undefined).write(head("/"));
    await once(plain.resume(), "close");
  });
});

let copies = 0;

/** The pair under names that the test may write to. */
async function copied(certificate: Certificate): Promise<{ certFile: string; keyFile: string }> {
  copies += 1;
  const files = { certFile: join(directory, `${copies}.crt`), keyFile: join(directory, `${copies}.key`) };
  await replace(certificate, files);
  return files;
}

async function replace(certificate: Certificate, files: { certFile: string; keyFile: string }): Promise<void> {
  await copyFile(certificate.certFile, files.certFile);
  await copyFile(certificate.keyFile, files.keyFile);
}
