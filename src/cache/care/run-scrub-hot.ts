import type { JsonObject } from "../../domain/json.ts";
import type { TaskRecord } from "../../domain/tasks.ts";
import { type ExamineHotPorts, examineHot, type HotFinding } from "./examine-hot.ts";
import { countIn, textIn } from "./progress.ts";
import type { TaskRun } from "./task-runner.ts";

/** A scrub's part in the local files of this replica. */
export class ScrubHotRun implements TaskRun {
  readonly #ports: ExamineHotPorts;

  constructor(ports: ExamineHotPorts) {
    this.#ports = ports;
  }

  async run(task: TaskRecord, tell: (progress: JsonObject) => void, signal: AbortSignal): Promise<JsonObject> {
    let progress = task.progress;
    const after = textIn(progress, "after") ?? "";
    const entries = this.#ports.hot
      .list()
      .map((entry) => ({ entry, key: `${entry.name.sha256}/${entry.name.fence}` }))
      .filter(({ key }) => key > after)
      .sort((one, other) => (one.key < other.key ? -1 : 1));
    for (const { entry, key } of entries) {
      signal.throwIfAborted();
      progress = counted(progress, await examineHot(entry, this.#ports, signal), key, entry.size);
      tell(progress);
    }
    const { after: _after, ...result } = counted(progress, undefined, after, 0);
    return result;
  }
}

function counted(before: JsonObject, found: HotFinding | undefined, key: string, size: number): JsonObject {
  const damaged = found === "healed" || found === "dropped" ? 1 : 0;
  return {
    checked: countIn(before, "checked") + (found === undefined ? 0 : 1),
    bytes: countIn(before, "bytes") + size,
    damaged: countIn(before, "damaged") + damaged,
    // What is dropped is not wrong any more either: the store is read instead.
    healed: countIn(before, "healed") + damaged,
    stale: countIn(before, "stale") + (found === "stale" ? 1 : 0),
    after: key,
  };
}
