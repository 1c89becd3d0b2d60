import type { Events } from "../domain/events.ts";
import type { Evictor } from "./evict.ts";
import type { LiveCapacity } from "./live-capacity.ts";

export interface ApplyCapacityPorts {
  readonly capacity: LiveCapacity;
  readonly evictor: Evictor;
  readonly events: Events;
}

const EVICT_MS = 600_000;

/** Limits that operators have changed hold here at once; what is over them goes behind it. Never rejects. */
export async function applyCapacity({ capacity, evictor, events }: ApplyCapacityPorts): Promise<void> {
  try {
    await capacity.refresh();
    await evictor.evictDown(AbortSignal.timeout(EVICT_MS));
  } catch (cause) {
    events.emit({ kind: "job-failed", job: "evict", cause });
  }
}
