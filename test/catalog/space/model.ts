import { worthAfterRead, worthOfNew } from "../../../src/domain/eviction.ts";
import { type Answer, digestOf, type Operation, type Settings, type State } from "./operations.ts";

interface Content {
  readonly slot: number;
  size: number;
  fence: number;
  project: string;
  origin: string;
  state: "admitted" | "condemned";
  turns: number;
  value: number;
  seq: number;
  internal: boolean;
  irreplaceable: boolean;
  young: boolean;
  pin: "held" | "over" | "none";
}

interface Reservation {
  bytes: number;
  fence: number;
  project: string;
  origin: string;
}

const START: Settings = {
  cache_bytes: 100_000_000,
  eviction: "gdsf",
  high_watermark: 0.95,
  low_watermark: 0.9,
  shares: [],
};

/**
 * What the ledger must do, told anew and apart from it: contents and reservations in memory, with all
 * that must never happen as assertions. Each operation is first made concrete, then its answer judged.
 */
export class Model {
  settings = START;
  readonly #alone: boolean;
  readonly #contents = new Map<number, Content>();
  readonly #reserved = new Map<string, Reservation>();
  /** Objects of contents that came back under another one, by name; their bytes. */
  readonly #superseded = new Map<string, number>();
  /** `digest/fence`. */
  readonly #open = new Set<string>();
  #inflation = 0;
  readonly counts = { granted: 0, full: 0, going: 0, evicted: 0 };

  constructor(alone: boolean) {
    this.#alone = alone;
  }

  /** Takes what the catalog answered to an operation, the n-th; throws what is wrong with it. */
  judge(operation: Operation, n: number, answer: Answer): void {
    switch (operation.op) {
      case "reserve":
        this.#reserve(operation, n, answer);
        return;
      case "release":
        this.#reserved.delete(operation.key);
        return;
      case "admit":
        this.#admit(operation, n);
        return;
      case "evict":
        this.#endPins();
        if (operation.bytes > 0) this.#evicted(operation.bytes, answer, false);
        return;
      case "down":
        this.#down(operation.going, answer);
        return;
      case "set":
        this.settings = operation.settings;
        return;
      case "forget":
        for (const content of this.#contents.values()) {
          if (content.state === "condemned" && !this.#isOpen(content)) this.#contents.delete(content.slot);
        }
        for (const name of this.#superseded.keys()) if (!this.#open.has(name)) this.#superseded.delete(name);
        return;
      default:
        this.#change(operation, n);
    }
  }

  /** The catalog's tables say the same: nothing leaks, nothing counts twice. */
  compare(state: State): void {
    const contents = [...this.#contents.values()].sort((a, b) => a.slot - b.slot);
    same(
      state.contents,
      contents.map((one) => ({ slot: one.slot, state: one.state, class: classOf(one), size: one.size })),
      "contents",
    );
    const reserved = [...this.#reserved].map(([key, { bytes }]) => ({ key, bytes }));
    same(
      state.reserved,
      reserved.sort((a, b) => (a.key < b.key ? -1 : 1)),
      "reservations",
    );
    const use = new Map<string, { class: string; bytes: number; count: number }>();
    for (const one of contents) {
      const name = classOf(one);
      const row = use.get(name) ?? { class: name, bytes: 0, count: 0 };
      use.set(name, { class: name, bytes: row.bytes + one.size, count: row.count + 1 });
    }
    same(
      state.use,
      [...use.values()].sort((a, b) => (a.class < b.class ? -1 : 1)),
      "use",
    );
    same(state.inflation, this.#inflation, "inflation");
  }

  #reserve(operation: Operation & { op: "reserve" }, n: number, answer: Answer): void {
    const outcome = answer?.outcome;
    const { key, turn, bytes: wanted } = operation;
    const held = this.#reserved.get(key);
    const { project, origin } = held ?? operation;
    const fence = held === undefined || turn === "newer" ? 2 * n : held.fence - (turn === "older" ? 1 : 0);
    const own = held?.bytes ?? 0;
    const space = this.settings.cache_bytes;
    const victims = answer?.victims ?? [];
    if ((held?.fence ?? 0) > fence) {
      same([outcome, victims], ["lost", []], "a claim that was taken over");
      return;
    }
    const short = this.#taken() - own + wanted - space;
    if (wanted > own && short > 0) {
      if (wanted > space) {
        same([outcome, victims], ["full", []], "more than the limit");
        return;
      }
      this.#endPins();
      const need = short - this.#going();
      const scope = this.#overShare(key, wanted, project, origin);
      if (need > 0) this.#evicted(need, answer, true, scope);
      else same(victims, [], "victims without need");
      if (outcome === "full") {
        this.counts.full += 1;
        // What readers hold of what was condemned for it is none that can be.
        if (this.settings.shares.length === 0 || scope !== undefined) {
          truly(this.#evictable(scope).reduce((sum, one) => sum + one.size, 0) < need, "there was room to be had");
        }
        return;
      }
      if (this.#alone) {
        same(outcome, "going", "objects have to go first");
        this.counts.going += 1;
        return;
      }
    }
    same(outcome, "granted", "there is room");
    this.counts.granted += 1;
    this.#reserved.set(key, { project, origin, fence, bytes: wanted });
    if (wanted > own) truly(this.#taken() <= space, "I9: over the limit");
  }

  /** Of what was evicted for `need` bytes: only what may go, the least valuable, and no more than is needed. */
  #evicted(need: number, answer: Answer, whole: boolean, scope?: { project?: string; origin?: string }): void {
    const victims = answer?.victims ?? [];
    const order = this.#evictable(scope);
    const chosen = victims.map(({ sha256 }) => order.find(({ slot }) => digestOf(slot) === sha256));
    for (const one of chosen) truly(one !== undefined, "what must stay was evicted");
    const known = chosen.flatMap((one) => one ?? []);
    if (scope !== undefined || this.settings.shares.length === 0) {
      const prefix: Content[] = [];
      let sum = 0;
      for (const one of order) {
        if (sum >= need) break;
        prefix.push(one);
        sum += one.size;
      }
      const expected = whole && sum < need ? [] : prefix;
      same(
        known.map(({ slot }) => slot),
        expected.map(({ slot }) => slot),
        "the least valuable go, as many as needed",
      );
    }
    const shared = this.settings.shares.length > 0;
    if (scope === undefined) this.#raise(shared ? this.#ofAll(known, need) : known);
    for (const one of known) one.state = "condemned";
    this.counts.evicted += known.length;
  }

  /** Those that were not chosen for their share: they tell what content is worth now. */
  #ofAll(known: readonly Content[], need: number): readonly Content[] {
    const surplus = this.#shares("")
      .filter(({ used, allowed }) => used > allowed)
      .sort((a, b) => b.used - b.allowed - (a.used - a.allowed));
    const left = [...known];
    let freed = 0;
    for (const { share, used, allowed } of surplus) {
      let given = 0;
      const wanted = Math.min(need - freed, used - allowed);
      while (given < wanted && left[0] !== undefined && belongs(left[0], share)) {
        const [one] = left.splice(0, 1);
        given += one?.size ?? 0;
      }
      freed += given;
    }
    return left;
  }

  #raise(victims: readonly Content[]): void {
    for (const { value } of victims) this.#inflation = Math.max(this.#inflation, value);
  }

  #down(going: boolean, answer: Answer): void {
    this.#endPins();
    const space = this.settings.cache_bytes;
    const { high_watermark: high, low_watermark: low } = this.settings;
    const taken = this.#taken() - this.#going();
    const need = going || taken > Math.floor(space * high) ? taken - Math.floor(space * low) : 0;
    if (need > 0) this.#evicted(need, answer, false);
    else same(answer?.victims, [], "nothing is above the watermark");
  }

  #admit({ key, slot, young }: Operation & { op: "admit" }, n: number): void {
    const held = this.#reserved.get(key);
    const before = this.#contents.get(slot);
    if (held === undefined || before?.state === "admitted") return;
    if (before !== undefined) this.#superseded.set(nameOf(before), before.size);
    this.#contents.set(slot, {
      ...{ internal: false, irreplaceable: false, pin: "none" },
      ...before,
      slot,
      young,
      size: held.bytes,
      fence: held.fence,
      project: held.project,
      origin: held.origin,
      state: "admitted",
      ...worthOfNew(this.#inflation),
      seq: n,
    });
    this.#reserved.delete(key);
  }

  #change(operation: Operation, n: number): void {
    if (!("slot" in operation)) return;
    const content = this.#contents.get(operation.slot);
    if (operation.op === "close") {
      for (const name of this.#open) if (name.startsWith(`${digestOf(operation.slot)}/`)) this.#open.delete(name);
      return;
    }
    if (content?.state !== "admitted") return;
    switch (operation.op) {
      case "read":
        content.seq = n;
        Object.assign(content, worthAfterRead(content, this.#inflation));
        return;
      case "open":
        this.#open.add(nameOf(content));
        return;
      case "condemn":
        if (!content.internal) content.state = "condemned";
        return;
      case "pin":
        content.pin = operation.pin;
        return;
      case "internal":
      case "irreplaceable":
      case "young":
        content[operation.op] = operation.is;
        return;
      default:
        return;
    }
  }

  #taken(): number {
    let sum = 0;
    for (const { bytes } of this.#reserved.values()) sum += bytes;
    for (const content of this.#contents.values()) {
      if (content.state === "admitted" || this.#alone || this.#isOpen(content)) sum += content.size;
    }
    for (const [name, size] of this.#superseded) if (this.#alone || this.#open.has(name)) sum += size;
    return sum;
  }

  #going(): number {
    if (!this.#alone) return 0;
    const going = [...this.#contents.values()].filter((one) => one.state === "condemned" && !this.#isOpen(one));
    const superseded = [...this.#superseded].filter(([name]) => !this.#open.has(name));
    return [...going.map(({ size }) => size), ...superseded.map(([, size]) => size)].reduce((sum, one) => sum + one, 0);
  }

  #endPins(): void {
    for (const content of this.#contents.values()) if (content.pin === "over") content.pin = "none";
  }

  /** What may go, what is worth least first. */
  #evictable(scope?: { project?: string; origin?: string }): Content[] {
    const free = [...this.#contents.values()].filter(
      (one) =>
        one.state === "admitted" &&
        !one.internal &&
        !one.irreplaceable &&
        !one.young &&
        one.pin === "none" &&
        !this.#isOpen(one) &&
        (scope === undefined || belongs(one, scope)),
    );
    const lru = this.settings.eviction === "lru";
    return free.sort((a, b) => (lru ? 0 : a.value - b.value) || a.seq - b.seq || a.slot - b.slot);
  }

  #shares(claim: string) {
    return this.settings.shares.map((share) => {
      const contents = [...this.#contents.values()].filter((one) => one.state !== "condemned" && belongs(one, share));
      const reserved = [...this.#reserved].filter(([key, one]) => key !== claim && belongs(one, share));
      const used = [...contents.map(({ size }) => size), ...reserved.map(([, { bytes }]) => bytes)];
      const allowed = Math.floor(share.part * this.settings.cache_bytes);
      return { share, used: used.reduce((sum, one) => sum + one, 0), allowed };
    });
  }

  /** The share that the claimant would exceed; a project's before an origin's. */
  #overShare(key: string, wanted: number, project: string, origin: string) {
    const over = this.#shares(key).filter(
      ({ share, used, allowed }) => used + wanted > allowed && (share.project === project || share.origin === origin),
    );
    return (over.find(({ share }) => share.project !== undefined) ?? over[0])?.share;
  }

  #isOpen(content: Content): boolean {
    return this.#open.has(nameOf(content));
  }
}

function belongs(
  one: { readonly project: string; readonly origin: string },
  share: { readonly project?: string; readonly origin?: string },
): boolean {
  return share.project === undefined ? one.origin === share.origin : one.project === share.project;
}

function nameOf({ slot, fence }: Content): string {
  return `${digestOf(slot)}/${fence}`;
}

function classOf(one: Content): string {
  if (one.state !== "admitted") return one.state;
  if (one.internal) return "internal";
  if (one.pin !== "none") return "pinned";
  return one.irreplaceable ? "irreplaceable" : "cached";
}

function truly(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

function same(found: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: ${a} instead of ${b}`);
}
