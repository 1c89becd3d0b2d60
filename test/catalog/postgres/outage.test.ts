import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { type Catalog, openCatalog } from "../../../src/catalog/open-catalog.ts";
import { openPostgres } from "../../../src/catalog/postgres/open-postgres.ts";
import { type Queries, Session } from "../../../src/catalog/session.ts";
import type { TestPostgres } from "../../support/postgres.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { Heard } from "../heard.ts";
import { located } from "../records.ts";
import { describeOnPostgres } from "./server.ts";

const unavailable = { code: "catalog-unavailable" };
const LIMIT_MS = 3_000;

/** Every connection that the pool may have is in use at once. */
const askAll = (catalog: Catalog) => Promise.allSettled(Array.from({ length: 8 }, () => catalog.ping()));

async function serves(catalog: Catalog): Promise<void> {
  await expect.poll(() => askAll(catalog), { timeout: 10_000 }).toEqual(Array(8).fill({ status: "fulfilled" }));
}

async function open(server: TestPostgres, more: { port?: number } = {}) {
  const url = new URL(await server.createDatabase());
  if (more.port !== undefined) url.port = String(more.port);
  return await openCatalog({ url: url.href, poolSize: 4, queryMilliseconds: LIMIT_MS, pulseMilliseconds: 300 });
}

/** A session over tables of the test's own. */
async function openNotes(server: TestPostgres, port = server.port) {
  const url = new URL(await server.createDatabase());
  url.port = String(port);
  const database = await openPostgres({ url: url.href, poolSize: 4 }, LIMIT_MS);
  const session = new Session(database, LIMIT_MS);
  await session.query((db) => db.execute(sql`create table notes (text text)`));
  const notes = async () =>
    (await session.query((db) => db.execute<{ text: string }>(sql`select text from notes`))).map(({ text }) => text);
  const note = (text: string) => session.query((db) => db.execute(sql`insert into notes values (${text})`));
  return { session, notes, note, [Symbol.asyncDispose]: () => database.close() };
}

describeOnPostgres("over a Postgres that has outages", (server) => {
  test("what gets no answer ends after its time, and the same catalog serves when the answers come again", async () => {
    await using catalog = await open(server());
    await serves(catalog);
    server().pause();
    const began = performance.now();
    try {
      for (const outcome of await askAll(catalog)) {
        expect(outcome).toMatchObject({ status: "rejected", reason: unavailable });
      }
      expect(performance.now() - began).toBeLessThan(LIMIT_MS + 2_000);
      for (const outcome of await askAll(catalog)) {
        expect(outcome).toMatchObject({ status: "rejected", reason: unavailable });
      }
    } finally {
      server().resume();
    }
    await serves(catalog);
    expect(catalog.lost.aborted).toBe(false);
  });

  test("a server that hangs, is killed and started again is served from again without a hand", async () => {
    await using catalog = await open(server());
    await serves(catalog);
    server().pause();
    try {
      await askAll(catalog);
    } finally {
      await server().stop("SIGKILL");
    }
    await expect(catalog.ping()).rejects.toMatchObject(unavailable);
    await server().start();
    await serves(catalog);
  });

  test("connections that lead nowhere are replaced, those that nobody uses at the moment too", async () => {
    await using proxy = await startTcpProxy(server().port);
    await using catalog = await open(server(), { port: proxy.port });
    await serves(catalog);
    proxy.freeze();
    await expect(catalog.ping()).rejects.toMatchObject(unavailable);
    proxy.thaw();
    // One has found out, for all: none of these is tried on an old connection.
    for (const outcome of await askAll(catalog)) expect(outcome).toMatchObject({ status: "fulfilled" });
  });

  test("a restart under load: every answer is right or none, and in the end all are answered", async () => {
    await using catalog = await open(server());
    const { ref, blob } = await located(catalog);
    const ended = new AbortController();
    let answers = 0;
    const load = Array.from({ length: 12 }, async () => {
      while (!ended.signal.aborted) {
        await catalog.blobs.resolve(ref).then(
          (resolved) => {
            expect(resolved?.blob).toEqual(blob);
            answers += 1;
          },
          (error: unknown) => expect(error).toMatchObject(unavailable),
        );
      }
    });
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      const before = answers;
      await expect.poll(() => answers).toBeGreaterThan(before + 50);
      await server().stop(signal);
      await server().start();
    }
    await serves(catalog);
    ended.abort();
    await Promise.all(load);
  });

  test("a transaction whose connection is cut writes nothing, not even what it would have written after the cut", async () => {
    await using over = await openNotes(server());
    const cut = over.session.transaction(async (tx) => {
      await tx.execute(sql`insert into notes values ('before')`);
      const [row] = await tx.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`);
      await over.session.query((db) => db.execute(sql`select pg_terminate_backend(${row?.pid}::int)`));
      await tx.execute(sql`insert into notes values ('at the cut')`).catch(() => undefined);
      await tx.execute(sql`insert into notes values ('after')`);
    });
    await expect(cut).rejects.toMatchObject(unavailable);
    await over.note("another");
    expect(await over.notes()).toEqual(["another"]);
  });

  test("a transaction in the middle of a crash is gone, and the process goes on", async () => {
    await using over = await openNotes(server());
    const inside = Promise.withResolvers<void>();
    const crashed = Promise.withResolvers<void>();
    const body = async (tx: Queries) => {
      await tx.execute(sql`insert into notes values ('doomed')`);
      inside.resolve();
      await crashed.promise;
      await tx.execute(sql`insert into notes values ('doomed as well')`);
    };
    const doomed = expect(over.session.transaction(body)).rejects.toMatchObject(unavailable);
    await inside.promise;
    await server().stop("SIGKILL");
    crashed.resolve();
    await doomed;
    await server().start();
    await expect.poll(() => over.notes().catch(() => undefined), { timeout: 10_000 }).toEqual([]);
  });

  test("I7: a commit that gets no answer is in doubt, and is not told as done", async () => {
    await using proxy = await startTcpProxy(server().port);
    await using over = await openNotes(server(), proxy.port);
    proxy.watch((sent) => sent.includes("commit\0"));
    const doubtful = over.session.transaction((tx) => tx.execute(sql`insert into notes values ('in doubt')`));
    await expect(doubtful).rejects.toMatchObject(unavailable);
    proxy.watch(undefined);
    // It was committed: only the answer is missing.
    await expect.poll(() => over.notes()).toEqual(["in doubt"]);
  });

  test("a transaction that is too late writes nothing, and frees its locks", async () => {
    await using over = await openNotes(server());
    await over.note("kept");
    const late = over.session.transaction(async (tx) => {
      await tx.execute(sql`delete from notes`);
      await new Promise((resolve) => setTimeout(resolve, LIMIT_MS + 200));
    });
    await expect(late).rejects.toMatchObject(unavailable);
    await over.session.transaction((tx) => tx.execute(sql`update notes set text = 'free'`));
    expect(await over.notes()).toEqual(["free"]);
  });

  test("a transaction of which a statement failed is not told as done, whatever its body makes of it", async () => {
    await using over = await openNotes(server());
    const swallowed = over.session.transaction(async (tx) => {
      await tx.execute(sql`insert into notes values ('lost')`);
      await tx.execute(sql`select 1 / 0`).catch(() => undefined);
    });
    await expect(swallowed).rejects.toMatchObject(unavailable);
    expect(await over.notes()).toEqual([]);
  });

  test("more users than connections wait for their turn, and no longer than their time", async () => {
    await using over = await openNotes(server());
    const slow = (seconds: number) => over.session.query((db) => db.execute(sql`select pg_sleep(${seconds})`));
    await Promise.all(Array.from({ length: 20 }, () => slow(0.05)));
    const holding = Array.from({ length: 4 }, () => slow((LIMIT_MS * 0.8) / 1_000));
    await expect(over.note("no turn")).rejects.toMatchObject(unavailable);
    await Promise.all(holding);
    await over.note("its turn");
    expect(await over.notes()).toEqual(["its turn"]);
  });

  test("who waits for a lock ends after a time, and its connection is good for the next", async () => {
    await using over = await openNotes(server());
    await over.note("locked");
    const blocked = over.session.transaction(async (tx) => {
      await tx.execute(sql`update notes set text = 'mine'`);
      await expect(over.note(randomUUID())).resolves.toBeDefined();
      const other = over.session.query((db) => db.execute(sql`update notes set text = 'theirs' where text = 'locked'`));
      await expect(other).rejects.toMatchObject(unavailable);
    });
    await blocked;
    expect(await over.notes()).toContain("mine");
  });
});

describeOnPostgres("listening to a Postgres that has outages", (server) => {
  const outages = {
    "is restarted": async () => {
      await server().stop();
      await server().start();
    },
    crashes: async () => {
      await server().stop("SIGKILL");
      await server().start();
    },
  };

  test.each(Object.entries(outages))("that nothing may be trusted is told when the server %s", async (_, outage) => {
    await using catalog = await open(server());
    const heard = new Heard();
    await using _listening = await catalog.changes.listen(heard.hear);
    heard.forget();
    await outage();
    await heard.until({ kind: "unknown" });
    await hears(catalog, heard);
  });

  test("a connection that leads nowhere is noticed and replaced", async () => {
    await using proxy = await startTcpProxy(server().port);
    await using catalog = await open(server(), { port: proxy.port });
    const heard = new Heard();
    await using _listening = await catalog.changes.listen(heard.hear);
    heard.forget();
    proxy.freeze();
    proxy.thaw();
    await heard.until({ kind: "unknown" });
    await catalog.ping().catch(() => undefined);
    await hears(catalog, heard);
  });

  test("a server that hangs is listened to again when it goes on", async () => {
    await using catalog = await open(server());
    const heard = new Heard();
    await using _listening = await catalog.changes.listen(heard.hear);
    heard.forget();
    server().pause();
    try {
      await expect(catalog.ping()).rejects.toMatchObject(unavailable);
    } finally {
      server().resume();
    }
    await heard.until({ kind: "unknown" });
    await hears(catalog, heard);
  });

  test("a payload that nobody understands tells that something has changed", async () => {
    await using over = await openNotes(server());
    const url = await server().createDatabase();
    const database = await openPostgres({ url }, LIMIT_MS);
    const heard = new Heard();
    await using _listening = await database.changes.listen(heard.hear);
    for (const payload of ["", "{", "null", '{"kind":"content","sha256":"x"}', '{"kind":"news"}']) {
      heard.forget();
      await database.query(
        (db) => db.execute(sql`select pg_notify('cistern', ${payload})`),
        AbortSignal.timeout(5_000),
      );
      await heard.until({ kind: "unknown" });
    }
    await database.close();
    expect(await over.notes()).toEqual([]);
  });

  async function hears(catalog: Catalog, heard: Heard): Promise<void> {
    await serves(catalog);
    const { artifact } = await located(catalog);
    await catalog.artifacts.update(artifact.id, artifact.revision, { description: "changed" });
    await heard.until({ kind: "artifact", id: artifact.id });
  }
});
