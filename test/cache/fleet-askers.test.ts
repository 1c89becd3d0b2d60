import { describe, expect, test } from "vitest";
import { fleetAskers } from "../../src/cache/fleet-askers.ts";
import type { BlobId } from "../../src/domain/blob.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { Peers } from "../../src/domain/peer.ts";
import type { RecentAsker } from "../../src/domain/recent-asker.ts";
import type { Replica } from "../../src/domain/replica.ts";

const SELF = "http://self#1";
const NEVER = new AbortController().signal;

type Answer = (signal: AbortSignal) => Promise<readonly RecentAsker[]>;

function asker(address: string, blob: string, age: number): RecentAsker {
  return { principal: { tokenId: "t", project: "p", roles: ["reader"], address }, blob: blob as BlobId, age };
}

/** A fleet in which each of the others answers so. */
function fleet(own: readonly RecentAsker[], answers: Readonly<Record<string, Answer>>) {
  const alive = async () => [SELF, ...Object.keys(answers)].map((holder) => ({ holder }) as Replica);
  const askers: Peers["askers"] = async (holder, signal) => {
    const answer = answers[holder];
    if (answer === undefined) throw new Error(`${holder} was asked`);
    return await answer(signal);
  };
  return { own: { list: () => own }, others: { replicas: { alive }, peers: { askers }, self: SELF } };
}

const fails =
  (error: Error): Answer =>
  () =>
    Promise.reject(error);

/** Until it is given up. */
const hangs: Answer = (signal) =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

describe("the clients of a fleet", () => {
  test("are those of all replicas, each once with what it asked for last, the newest first", async () => {
    const { askers, unheard } = await fleetAskers(
      fleet([asker("10.0.0.1", "old", 50), asker("10.0.0.2", "own", 20)], {
        "http://a#1": async () => [asker("10.0.0.1", "new", 10)],
        "http://b#1": async () => [asker("10.0.0.3", "its", 30), asker("10.0.0.1", "older", 60)],
      }),
      NEVER,
    );
    expect(unheard).toEqual([]);
    expect(askers.map(({ principal: { address }, blob }) => `${address} ${blob}`)).toEqual([
      "10.0.0.1 new",
      "10.0.0.2 own",
      "10.0.0.3 its",
    ]);
  });

  test("of an embedded server are its own", async () => {
    const own = [asker("10.0.0.1", "b", 1)];
    expect(await fleetAskers({ own: { list: () => own }, others: undefined }, NEVER)).toEqual({
      askers: own,
      unheard: [],
    });
  });

  test("are told without those of replicas that cannot be reached or hang, within 2 s for all of these together", async () => {
    const began = performance.now();
    const { askers, unheard } = await fleetAskers(
      fleet([], {
        "http://hangs#1": hangs,
        "http://a#1": async () => [asker("10.0.0.1", "b", 1)],
        "http://hangs-too#1": hangs,
        "http://old#1": fails(new CisternError("peer-unreachable", "status 404")),
      }),
      NEVER,
    );
    expect(performance.now() - began).toBeGreaterThan(1_900);
    expect(performance.now() - began).toBeLessThan(3_900);
    expect(unheard).toEqual(["http://hangs#1", "http://hangs-too#1", "http://old#1"]);
    expect(askers).toHaveLength(1);
  });

  test("are not missing those of a process that is gone for good", async () => {
    const gone = fails(new CisternError("peer-denied", "another process"));
    expect(await fleetAskers(fleet([], { "http://a#1": gone }), NEVER)).toEqual({ askers: [], unheard: [] });
  });

  test("are not told at all to who has left, nor after a fault of our own", async () => {
    const left = new AbortController();
    const asked = fleetAskers(fleet([], { "http://hangs#1": hangs }), left.signal);
    setImmediate(() => left.abort(new Error("enough")));
    await expect(asked).rejects.toThrow("enough");
    await expect(fleetAskers(fleet([], { "http://a#1": fails(new TypeError("a bug")) }), NEVER)).rejects.toThrow(
      "a bug",
    );
  });
});
