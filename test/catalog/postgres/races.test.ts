import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Catalog, openCatalog } from "../../../src/catalog/open-catalog.ts";
import { openPostgres } from "../../../src/catalog/postgres/open-postgres.ts";
import { Session } from "../../../src/catalog/session.ts";
import type { LeaseAnswer } from "../../../src/domain/lease.ts";
import { condemn, fill, isCondemned, located, newArtifact, someContent } from "../records.ts";
import { describeOnPostgres } from "./server.ts";

describeOnPostgres("two catalogs over one Postgres", (server) => {
  let opened: readonly Catalog[] = [];

  beforeAll(async () => {
    const url = await server().createDatabase();
    opened = await Promise.all([openCatalog({ url, poolSize: 8 }), openCatalog({ url, poolSize: 8 })]);
  });

  afterAll(async () => {
    await Promise.all(opened.map((catalog) => catalog[Symbol.asyncDispose]()));
  });

  const pair = (): readonly [Catalog, Catalog] => {
    const [one, other] = opened;
    if (one === undefined || other === undefined) throw new Error("the catalogs are not open");
    return [one, other];
  };
  /** Does it `times` on each of the two, all at once. */
  const race = <T>(times: number, run: (catalog: Catalog, n: number) => Promise<T>) =>
    Promise.all(pair().flatMap((catalog) => Array.from({ length: times }, (_, n) => run(catalog, n))));
  const winnersOf = (answers: readonly LeaseAnswer[]) =>
    answers.flatMap((answer) => (answer.kind === "taken" ? [answer.lease] : []));

  test("a lease is taken by one, and all others are told of that one", async () => {
    for (let round = 0; round < 10; round += 1) {
      const key = randomUUID();
      const answers = await race(8, (catalog, n) => catalog.leases.take(key, `holder ${n}`, 60_000));
      const [winner, ...more] = winnersOf(answers);
      expect(more).toEqual([]);
      for (const answer of answers) if (answer.kind === "held") expect(answer.by).toEqual(winner);
    }
  });

  test("a lease is taken over by one, while its holder renews it or releases it", async () => {
    const [one] = pair();
    for (let round = 0; round < 10; round += 1) {
      const key = randomUUID();
      const first = winnersOf([await one.leases.take(key, "first", 60_000)])[0];
      if (first === undefined) throw new Error("a key that nobody else knows is held");
      const [, answers] = await Promise.all([
        one.leases.renew(first, 60_000),
        race(6, (catalog, n) => catalog.leases.takeOver(first, `holder ${n}`, 60_000, true)),
        round % 2 === 0 ? one.leases.release(first) : undefined,
      ]);
      expect(winnersOf(answers)).toHaveLength(1);
      expect(await one.leases.renew(first, 60_000)).toBe(false);
    }
  });

  test("an admission under a lease that is taken over at the same time passes whole or not at all", async () => {
    const [one, other] = pair();
    for (let round = 0; round < 30; round += 1) {
      const content = someContent();
      const { blob, ref } = await located(one);
      const key = randomUUID();
      const lease = winnersOf([await one.leases.take(key, "first", 60_000)])[0];
      if (lease === undefined) throw new Error("a key that nobody else knows is held");
      const account = { project: "", origin: "" };
      const admission = { lease, blobs: [blob.id], ...content, digestSource: "first_fetch", account } as const;
      const [admitted, second] = await Promise.all([
        one.contents.admit(admission).then(
          () => "admitted",
          (error: { readonly code?: string }) => error.code ?? "unknown",
        ),
        other.leases.takeOver(lease, "second", 60_000, true),
      ]);
      // The other has the lease either way: taken from its holder, or free after the admission.
      expect(second.kind).toBe("taken");
      expect(["admitted", "precondition-failed"]).toContain(admitted);
      const generation = await other.ledger.generation(content.digests.sha256);
      expect(generation).toBe(admitted === "admitted" ? lease.fence : undefined);
      expect((await other.blobs.resolve(ref))?.content?.object.fence).toBe(generation);
    }
  });

  test("the same content admitted by both at once has one row, and both records have earned it", async () => {
    for (let round = 0; round < 10; round += 1) {
      const content = someContent();
      const records = await race(3, (catalog) => located(catalog));
      const admitted = await Promise.all(
        records.map(({ blob }, n) => fill(pair()[n % 2 === 0 ? 0 : 1], content, blob)),
      );
      const kinds = admitted.map(({ kind }) => kind).toSorted();
      expect(kinds).toEqual(["admitted", ...Array(5).fill("existing")]);
      const fences = await Promise.all(
        records.map(async ({ ref }) => (await pair()[0].blobs.resolve(ref))?.content?.object.fence),
      );
      expect(new Set(fences).size).toBe(1);
      expect(fences[0]).toBeDefined();
    }
  });

  test("I5: condemned by one while another earns it, content is never lost to a record that has it", async () => {
    const [one, other] = pair();
    for (let round = 0; round < 20; round += 1) {
      const content = someContent();
      const owner = randomUUID();
      const first = await located(one, { digests: content.digests }, { owner });
      await fill(one, content, first.blob);
      const second = await located(other, { digests: content.digests }, { owner });
      await Promise.all([
        condemn(one, content.digests.sha256),
        other.blobs.joinContent(second.blob.id),
        one.artifacts.remove(first.artifact.id),
      ]);
      const resolved = await other.blobs.resolve(second.ref);
      const condemned = await isCondemned(one, content.digests.sha256);
      // What a record may read is not condemned, whoever came first.
      expect(resolved?.content !== undefined && condemned).toBe(false);
    }
  });

  test("a name is taken once", async () => {
    const wanted = newArtifact();
    const outcomes = await Promise.allSettled(
      pair().map((catalog) => catalog.artifacts.create({ ...wanted, id: newArtifact().id })),
    );
    const lost = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(lost).toHaveLength(1);
    expect(lost[0]).toMatchObject({ reason: { code: "conflict" } });
  });

  test("fences are given once, and in the order of who waits", async () => {
    const fences = await race(50, (catalog) => catalog.ledger.nextFence());
    expect(new Set(fences).size).toBe(100);
  });
});

describeOnPostgres("transactions that lock each other out", (server) => {
  test("are begun again, and all pass", async () => {
    const database = await openPostgres({ url: await server().createDatabase(), poolSize: 8 }, 15_000);
    const session = new Session(database, 15_000);
    await session.query((db) => db.execute(sql`create table rows (id int primary key, n int)`));
    await session.query((db) => db.execute(sql`insert into rows values (1, 0), (2, 0)`));
    let begun = 0;
    const both = (first: number, second: number, met: () => Promise<void>) =>
      session.transaction(async (tx) => {
        begun += 1;
        await tx.execute(sql`update rows set n = n + 1 where id = ${first}`);
        await met();
        await tx.execute(sql`update rows set n = n + 1 where id = ${second}`);
      });
    // Each holds its first row when it wants the other's: one of the two has to give way.
    let here = 0;
    const allHere = Promise.withResolvers<void>();
    const met = async () => {
      here += 1;
      if (here === 2) allHere.resolve();
      await allHere.promise;
    };
    await Promise.all([both(1, 2, met), both(2, 1, met)]);
    expect(begun).toBe(3);
    const rows = await session.query((db) => db.execute(sql`select id, n from rows order by id`));
    expect([...rows]).toEqual([
      { id: 1, n: 2 },
      { id: 2, n: 2 },
    ]);
    await database.close();
  });
});
