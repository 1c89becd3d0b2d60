import type { ContentInventory } from "../../domain/content-inventory.ts";
import { sha256 } from "../../domain/digest.ts";
import { CisternError } from "../../domain/errors.ts";
import type { HotTier } from "../../domain/hot-tier.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { TaskRecord } from "../../domain/tasks.ts";
import { type ExaminePorts, examine } from "./examine.ts";
import { type ExamineHotPorts, examineHot } from "./examine-hot.ts";
import { textIn } from "./progress.ts";
import type { TaskRun } from "./task-runner.ts";

export interface VerifyPorts extends ExaminePorts, Omit<ExamineHotPorts, "hot"> {
  readonly inventory: ContentInventory;
  readonly hot: HotTier | undefined;
}

/** A scrub of one content, at full speed: the store's object, then the copy of the replica that does it. */
export class VerifyRun implements TaskRun {
  readonly #ports: VerifyPorts;

  constructor(ports: VerifyPorts) {
    this.#ports = ports;
  }

  async run(task: TaskRecord, tell: (progress: JsonObject) => void, signal: AbortSignal): Promise<JsonObject> {
    const digest = sha256(textIn(task.query, "sha256") ?? "");
    const entry = await this.#ports.inventory.find(digest);
    if (entry === undefined || entry.state === "condemned") {
      throw new CisternError("content-not-found", "the content has gone meanwhile");
    }
    tell({ total: entry.size });
    const { object, size } = entry;
    const examined = await examine({ object, size }, this.#ports, signal);
    const { hot } = this.#ports;
    const copies = hot?.list().filter(({ name }) => name.sha256 === digest) ?? [];
    const found = [];
    for (const copy of copies) {
      if (hot !== undefined) found.push(await examineHot(copy, { ...this.#ports, hot }, signal));
    }
    const healedFrom = "healedFrom" in examined ? examined.healedFrom : undefined;
    return {
      sha256: digest,
      bytes: size,
      found: examined.found,
      ...(healedFrom === undefined ? {} : { healed_from: healedFrom }),
      hot: found,
    };
  }
}
