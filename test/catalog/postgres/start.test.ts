import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import postgres from "postgres";
import { beforeAll, describe, expect, test } from "vitest";
import { openCatalog } from "../../../src/catalog/open-catalog.ts";
import { migrateServer } from "../../../src/catalog/postgres/open-postgres.ts";
import { isCisternError } from "../../../src/domain/errors.ts";
import { freePort } from "../../support/free-port.ts";
import { requireProgram } from "../../support/programs.ts";
import { makeAuthority } from "../../support/test-authority.ts";
import { describeOnPostgres } from "./server.ts";

/** The rule that a start is refused with; fails when it is not, or when a secret is told. */
async function refusal(url: string, options: { caFile?: string; waitMilliseconds?: number } = {}): Promise<string> {
  const started = openCatalog({ url, waitMilliseconds: 2_000, ...options });
  const error: unknown = await started.then(
    (catalog) => catalog[Symbol.asyncDispose](),
    (reason: unknown) => reason,
  );
  if (!isCisternError(error, "invalid-config")) throw error ?? new Error("it started");
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    expect(at.message + JSON.stringify(at)).not.toContain(new URL(url).password);
  }
  const [problem] = error.fields;
  expect(problem?.field).toBe("DATABASE_URL");
  expect(error.message).toContain(problem?.rule);
  return problem?.rule ?? "";
}

async function starts(url: string, caFile?: string): Promise<void> {
  await using catalog = await openCatalog({ url, caFile, waitMilliseconds: 2_000 });
  await catalog.ping();
}

const changed = (url: string, change: (url: URL) => void): string => {
  const copy = new URL(url);
  change(copy);
  return copy.href;
};

describeOnPostgres("a start over Postgres", (server) => {
  describe("says what to set", () => {
    test("a wrong password, at once", async () => {
      const url = changed(server().url, (copy) => {
        copy.password = randomBytes(8).toString("hex");
      });
      const began = performance.now();
      expect(await refusal(url, { waitMilliseconds: 60_000 })).toContain("password");
      expect(performance.now() - began).toBeLessThan(5_000);
    });

    test("a user that is not there", async () => {
      const url = changed(server().url, (copy) => {
        copy.username = "nobody";
      });
      // The server does not tell the one from the other.
      expect(await refusal(url)).toContain("password");
    });

    test("a database that is not there", async () => {
      const url = changed(server().url, (copy) => {
        copy.pathname = "/nowhere";
      });
      expect(await refusal(url)).toContain("no such database");
    });

    test("a server that does not come within the time", async () => {
      const port = String(await freePort());
      const url = changed(server().url, (copy) => {
        copy.port = port;
      });
      const rule = await refusal(url, { waitMilliseconds: 500 });
      expect(rule).toContain(`127.0.0.1:${port} within 1 s (ECONNREFUSED)`);
    });

    test("a host that has no address", async () => {
      const url = changed(server().url, (copy) => {
        copy.hostname = "postgres.invalid";
      });
      expect(await refusal(url, { waitMilliseconds: 500 })).toMatch(/postgres\.invalid:\d+ within/);
    });

    test("a server that accepts and says nothing", async () => {
      const url = await server().createDatabase();
      server().pause();
      try {
        expect(await refusal(url, { waitMilliseconds: 1_000 })).toContain("within 1 s");
      } finally {
        server().resume();
      }
    });

    test("something that is not Postgres", async () => {
      await using other = await startHttp();
      const url = changed(server().url, (copy) => {
        copy.port = String(other.port);
      });
      expect(await refusal(url)).toContain("not Postgres");
    });

    test("a user that may not make the schema", async () => {
      const url = await server().createDatabase();
      const name = `guest_${randomBytes(4).toString("hex")}`;
      const sql = postgres(url, { max: 1 });
      await sql.unsafe(`create role ${name} login password 'guest'; revoke create on schema public from public`);
      await sql.end();
      const guest = changed(url, (copy) => {
        copy.username = name;
        copy.password = "guest";
      });
      expect(await refusal(guest)).toContain("may not make the schema");
    });

    test("a database of another encoding", async () => {
      const name = `latin_${randomBytes(4).toString("hex")}`;
      const sql = postgres(server().url, { max: 1 });
      await sql.unsafe(`create database ${name} encoding 'LATIN1' template template0`);
      await sql.end();
      const url = changed(server().url, (copy) => {
        copy.pathname = `/${name}`;
      });
      expect(await refusal(url)).toContain("UTF8");
    });

    test.each([
      ["mysql://user:secret@db.test/x", "must be a URL like"],
      ["postgres://user:secret@db.test/x?sslmode=maybe", "sslmode must be"],
      ["postgres://user:secret@db.test/x?statement_timeout=1", "sslmode, sslrootcert, application_name"],
      ["postgres://user:secret@db.test/x?sslmode=verify-full&sslrootcert=/nowhere/ca.crt", "CISTERN_DATABASE_CA"],
      ["postgres://:secret@db.test/x", "a host and a user"],
    ])("%s", async (url, rule) => {
      expect(await refusal(url)).toContain(rule);
    });
  });

  test("waits for a server that comes later", async () => {
    const url = await server().createDatabase();
    await server().stop();
    const [catalog] = await Promise.all([openCatalog({ url }), server().start()]);
    await catalog.ping();
    await catalog[Symbol.asyncDispose]();
  });

  test("ends when it is told to", async () => {
    const url = changed(server().url, (copy) => {
      copy.port = "1";
    });
    const ending = new AbortController();
    const opening = openCatalog({ url, signal: ending.signal });
    ending.abort(new Error("enough"));
    await expect(opening).rejects.toThrow("enough");
  });

  test("what is told to the server is there in its connections", async () => {
    const url = await server().createDatabase();
    await using catalog = await openCatalog({ url, queryMilliseconds: 6_000 });
    await catalog.ping();
    const sql = postgres(url, { max: 1 });
    const rows = await sql`
      select application_name from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
    expect([...rows]).toEqual([{ application_name: "cistern" }]);
    await sql.end();
  });

  test("by the socket of the machine, without TLS", async () => {
    const url = await server().createDatabase();
    const local = url.replace("127.0.0.1", encodeURIComponent(server().directory));
    await starts(local);
  });
});

describe.skipIf(!requireProgram("openssl"))("TLS", () => {
  describeOnPostgres("to Postgres", (server) => {
    const caFiles: { own?: string; foreign?: string; no?: string } = {};

    beforeAll(async () => {
      const { directory, owner } = server();
      const place = join(directory, "tls");
      await mkdir(place);
      const authority = await makeAuthority(place);
      caFiles.own = authority.caFile;
      caFiles.foreign = (await makeAuthority(place, "foreign")).caFile;
      const { cert, key } = await authority.issue("server", "DNS:localhost");
      if (owner !== undefined) for (const file of [cert, key]) await chown(file, owner.uid, owner.gid);
      await chmod(place, 0o755);
      await chmod(key, 0o600);
      await server().configure("ssl", "on");
      await server().configure("ssl_cert_file", cert);
      await server().configure("ssl_key_file", key);
      await server().stop();
      await server().start();
    });

    const at = async (host: string, mode: string | undefined) =>
      changed(await server().createDatabase(), (copy) => {
        copy.hostname = host;
        if (mode !== undefined) copy.searchParams.set("sslmode", mode);
      });

    test.each([
      ["localhost", "verify-full"],
      ["localhost", "verify-ca"],
      ["127.0.0.1", "verify-ca"],
      ["127.0.0.1", "require"],
      ["localhost", undefined],
    ])("%s with sslmode %s and the authority's certificate", async (host, mode) => {
      await starts(await at(host, mode), caFiles.own);
    });

    test.each([undefined, "disable", "allow", "prefer", "require"])(
      "sslmode %s without a certificate",
      async (mode) => {
        await starts(await at("127.0.0.1", mode));
      },
    );

    test.each([
      ["127.0.0.1", "verify-full", "own", "ERR_TLS_CERT_ALTNAME_INVALID"],
      ["localhost", "verify-full", "foreign", "CISTERN_DATABASE_CA"],
      ["localhost", "verify-ca", "foreign", "CISTERN_DATABASE_CA"],
      ["localhost", "require", "foreign", "CISTERN_DATABASE_CA"],
      ["localhost", undefined, "foreign", "CISTERN_DATABASE_CA"],
      ["localhost", "verify-full", "no", "CISTERN_DATABASE_CA"],
    ] as const)("%s with sslmode %s and %s authority's certificate is refused", async (host, mode, whose, rule) => {
      const caFile = caFiles[whose];
      expect(await refusal(await at(host, mode), caFile === undefined ? {} : { caFile })).toContain(rule);
    });

    test("what asks for TLS is in fact encrypted", async () => {
      await using catalog = await openCatalog({ url: await at("localhost", "verify-full"), caFile: caFiles.own });
      await catalog.ping();
      const sql = postgres(server().url, { max: 1 });
      const rows = await sql`
        select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'cistern'`;
      expect([...rows]).toEqual([{ ssl: true }]);
      await sql.end();
    });
  });

  describeOnPostgres("to a Postgres that has none", (server) => {
    test.each(["require", "verify-ca", "verify-full"])("sslmode %s is refused", async (mode) => {
      const url = changed(await server().createDatabase(), (copy) => {
        copy.searchParams.set("sslmode", mode);
      });
      expect(await refusal(url)).toContain("no TLS");
    });

    test("sslmode prefer goes without", async () => {
      await starts(
        changed(await server().createDatabase(), (copy) => {
          copy.searchParams.set("sslmode", "prefer");
        }),
      );
    });
  });
});

describeOnPostgres("migrations of a Postgres server", (server) => {
  test("of many that start at once on an empty database one applies them, the others wait", async () => {
    const url = await server().createDatabase();
    const applied = await Promise.all(Array.from({ length: 5 }, () => migrateServer({ url })));
    const done = applied.filter((names) => names.length > 0);
    expect(done).toHaveLength(1);
    expect(done[0]?.slice(0, 2)).toEqual(["0000_catalog", "0001_cluster"]);
    const catalogs = await Promise.all(Array.from({ length: 5 }, () => openCatalog({ url })));
    const ids = await Promise.all(catalogs.map((catalog) => catalog.deploymentId()));
    expect(new Set(ids).size).toBe(1);
    await Promise.all(catalogs.map((catalog) => catalog[Symbol.asyncDispose]()));
  });

  test("one that dies in the middle leaves no lock and nothing half done", async () => {
    const url = await server().createDatabase();
    const dying = postgres(url, { max: 1 });
    const [lock] = await holdLockOfMigrations(dying);
    const waiting = migrateServer({ url });
    const watcher = postgres(url, { max: 1 });
    await expect
      .poll(async () => (await watcher`select 1 from pg_locks where locktype = 'advisory' and not granted`).length)
      .toBe(1);
    await watcher`select pg_terminate_backend(${lock?.pid ?? 0})`;
    expect((await waiting).slice(0, 2)).toEqual(["0000_catalog", "0001_cluster"]);
    await Promise.all([watcher.end(), dying.end({ timeout: 0 })]);
  });

  test("a schema that a later version made is refused, and left alone", async () => {
    const url = await server().createDatabase();
    await migrateServer({ url });
    const sql = postgres(url, { max: 1 });
    await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('later', 9999999999999)`;
    await expect(openCatalog({ url })).rejects.toMatchObject({
      code: "invalid-config",
      message: expect.stringContaining("newer than this version"),
    });
    await sql.end();
  });
});

/** As a migration that takes its time does. */
async function holdLockOfMigrations(sql: postgres.Sql): Promise<readonly { readonly pid: number }[]> {
  await sql.unsafe("begin");
  await sql`select pg_advisory_xact_lock(${0x63697374})`;
  return await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
}

async function startHttp(): Promise<{ readonly port: number } & AsyncDisposable> {
  const server: Server = createServer();
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP port was given");
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
