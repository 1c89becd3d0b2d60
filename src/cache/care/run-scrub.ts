import type { Clock } from "../../domain/clock.ts";
import type { ContentCare, ScrubCursor } from "../../domain/content-care.ts";
import type { ContentInventory } from "../../domain/content-inventory.ts";
import { sha256 } from "../../domain/digest.ts";
import { isCisternError } from "../../domain/errors.ts";
import type { JsonObject } from "../../domain/json.ts";
import { placeOf, type Replicas } from "../../domain/replica.ts";
import type { TaskRecord, Tasks } from "../../domain/tasks.ts";
import { type ExaminePorts, examine } from "./examine.ts";
import { countIn, listIn, textIn } from "./progress.ts";
import type { TaskRun } from "./task-runner.ts";

export interface ScrubPorts extends ExaminePorts {
  readonly care: ContentCare;
  readonly inventory: ContentInventory;
  readonly tasks: Tasks;
  readonly replicas: Pick<Replicas, "alive">;
  readonly clock: Clock;
  /** There are other replicas, with local copies of their own. */
  readonly shared: boolean;
}

const PAGE = 100;
const MAX_LISTED = 1_000;
const POLL_MS = 500;
/** Long enough for every replica to have looked whether it has a copy. */
const OTHERS_MS = 15_000;
const LIVE_MS = 60_000;
/** A store that fails in the middle is waited for so often, so long. */
const STORE_ATTEMPTS = 5;
const STORE_PAUSE_MS = 2_000;

/**
 * One cycle: everything in the store first, by one process; then each replica's local copies, by itself,
 * for what they are compared and copied from is whole by then.
 */
export class ScrubRun implements TaskRun {
  readonly #ports: ScrubPorts;

  constructor(ports: ScrubPorts) {
    this.#ports = ports;
  }

  async run(task: TaskRecord, tell: (progress: JsonObject) => void, signal: AbortSignal): Promise<JsonObject> {
    const before = task.startedAt ?? this.#ports.clock.now();
    let progress = task.progress;
    const told = (now: JsonObject) => {
      progress = now;
      tell(now);
    };
    if (textIn(progress, "phase") !== "hot") {
      await this.#scrubStore(before, progress, told, signal);
      await this.#awaitOthers(progress, signal);
      told({ ...progress, phase: "hot" });
    }
    const parts = this.#ports.shared ? await this.#scrubHot(task, signal) : [];
    return await this.#result(progress, parts);
  }

  async #scrubStore(
    before: Date,
    begun: JsonObject,
    tell: (progress: JsonObject) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let progress: JsonObject = { phase: "store", ...begun };
    for (let after = cursorIn(begun); ; ) {
      const page = await this.#ports.care.toScrub(before, after, PAGE);
      for (const item of page.items) {
        signal.throwIfAborted();
        const examined = await this.#examine(item, signal);
        progress = counted(progress, examined, item.object.sha256, item.size);
        tell(progress);
      }
      if (page.next === undefined) return;
      after = page.next;
      progress = { ...progress, after_scrubbed: after.scrubbedAt, after_sha256: after.sha256 };
      tell(progress);
    }
  }

  async #examine(item: Parameters<typeof examine>[0], signal: AbortSignal): Promise<Outcome> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const examined = await examine(item, this.#ports, signal);
        if (examined.found === "intact" || examined.found === "gone") return examined.found;
        return examined.healedFrom === "nothing" ? "unhealed" : "healed";
      } catch (error) {
        if (!isCisternError(error, "store-unavailable")) throw error;
        if (attempt === STORE_ATTEMPTS) return "unreadable";
        await this.#ports.clock.sleep(STORE_PAUSE_MS * attempt, signal);
      }
    }
  }

  /** What is damaged, and has no other copy here or outside, another replica may have. */
  async #awaitOthers(progress: JsonObject, signal: AbortSignal): Promise<void> {
    if (!this.#ports.shared) return;
    const until = this.#ports.clock.monotonic() + OTHERS_MS;
    while (this.#ports.clock.monotonic() < until) {
      if ((await this.#unhealed(progress)).length === 0) return;
      await this.#ports.clock.sleep(POLL_MS, signal);
    }
  }

  /** The parts of the replicas that live; one that dies is left out. */
  async #scrubHot(task: TaskRecord, signal: AbortSignal): Promise<readonly TaskRecord[]> {
    const { tasks, replicas, clock } = this.#ports;
    const places = async () => new Set((await replicas.alive(LIVE_MS)).map(({ holder }) => placeOf(holder)));
    for (const place of await places()) {
      await tasks.create({ kind: "scrub-hot", query: {}, createdBy: task.createdBy, parent: task.id, place });
    }
    for (;;) {
      const parts = await tasks.list({ kinds: ["scrub-hot"], parent: task.id }, MAX_LISTED, undefined);
      const alive = await places();
      const open = parts.filter(({ state }) => state === "queued" || state === "running");
      const waiting = open.filter(({ place }) => place !== undefined && alive.has(place));
      for (const part of open) if (!waiting.includes(part)) await tasks.cancel(part.id);
      if (waiting.length === 0) return parts;
      await clock.sleep(POLL_MS, signal);
    }
  }

  async #unhealed(progress: JsonObject): Promise<readonly string[]> {
    const listed = listIn(progress, "unhealed").filter((one) => typeof one === "string");
    const left: string[] = [];
    for (const digest of listed) {
      const entry = await this.#ports.inventory.find(sha256(digest));
      if (entry?.state === "quarantined") left.push(digest);
    }
    return left;
  }

  async #result(progress: JsonObject, parts: readonly TaskRecord[]): Promise<JsonObject> {
    const left = await this.#unhealed(progress);
    const later = listIn(progress, "unhealed").length - left.length;
    const hot = parts.map(({ place, state, result }) => ({ replica: place ?? "", state, ...result }));
    return {
      checked: countIn(progress, "checked"),
      bytes: countIn(progress, "bytes"),
      damaged: countIn(progress, "damaged"),
      healed: countIn(progress, "healed") + later,
      unreadable: countIn(progress, "unreadable"),
      quarantined: [...left],
      hot,
    };
  }
}

type Outcome = "intact" | "healed" | "unhealed" | "gone" | "unreadable";

function counted(before: JsonObject, outcome: Outcome, digest: string, size: number): JsonObject {
  const damaged = outcome === "healed" || outcome === "unhealed" ? 1 : 0;
  const unhealed = listIn(before, "unhealed");
  return {
    ...before,
    checked: countIn(before, "checked") + 1,
    bytes: countIn(before, "bytes") + size,
    damaged: countIn(before, "damaged") + damaged,
    healed: countIn(before, "healed") + (outcome === "healed" ? 1 : 0),
    unreadable: countIn(before, "unreadable") + (outcome === "unreadable" ? 1 : 0),
    unhealed: outcome === "unhealed" && unhealed.length < MAX_LISTED ? [...unhealed, digest] : [...unhealed],
  };
}

function cursorIn(progress: JsonObject): ScrubCursor | undefined {
  const digest = textIn(progress, "after_sha256");
  return digest === undefined ? undefined : { scrubbedAt: textIn(progress, "after_scrubbed") ?? "", sha256: digest };
}
