import { type CapacityCatalog, type CapacitySettings, type ConfiguredCapacity, inForce } from "../domain/capacity.ts";
import type { Events } from "../domain/events.ts";
import type { FillLimits } from "../domain/fill-limits.ts";
import type { LimitedTier } from "../domain/tier.ts";

export interface LiveCapacityPorts {
  readonly capacity: Pick<CapacityCatalog, "settings">;
  readonly spool: LimitedTier;
  readonly hot: LimitedTier | undefined;
  readonly events: Events;
}

/** The limits that are in force here: what operators have set, else the configuration. */
export class LiveCapacity {
  readonly configured: ConfiguredCapacity;
  readonly #ports: LiveCapacityPorts;
  #settings: CapacitySettings = {};
  #applied: Promise<void> = Promise.resolve();

  /** Told when limits have been read: they may be others. */
  onChange: (() => void) | undefined;

  constructor(ports: LiveCapacityPorts, configured: ConfiguredCapacity) {
    this.#ports = ports;
    this.configured = configured;
  }

  get cacheBytes(): number {
    return inForce(this.#settings, this.configured).cacheBytes;
  }

  get fills(): FillLimits {
    return inForce(this.#settings, this.configured).fills;
  }

  /** Reads what is set, and applies it here. */
  refresh(): Promise<void> {
    // One after the other: the last to have read is the last to be applied.
    const applied = this.#applied.then(async () => {
      const { settings } = await this.#ports.capacity.settings();
      this.#settings = settings;
      this.onChange?.();
      const { spoolBytes, hotBytes } = inForce(settings, this.configured);
      await this.#ports.spool.resize(spoolBytes);
      if (hotBytes !== undefined) await this.#ports.hot?.resize(hotBytes);
    });
    this.#applied = applied.catch(() => undefined);
    return applied;
  }

  /** As `refresh`; what fails is reported, and done again at the next change or turn of the job. */
  async hear(): Promise<void> {
    try {
      await this.refresh();
    } catch (cause) {
      this.#ports.events.emit({ kind: "degraded", part: "catalog", cause });
    }
  }
}
