import type { CapacityCatalog, CapacitySettings } from "../domain/capacity.ts";
import type { Events } from "../domain/events.ts";
import type { LimitedTier } from "../domain/tier.ts";

export interface LiveCapacityPorts {
  readonly capacity: Pick<CapacityCatalog, "settings">;
  readonly spool: LimitedTier;
  readonly hot: LimitedTier | undefined;
  readonly events: Events;
}

/** Limits as the configuration of this process says. */
export interface ConfiguredCapacity {
  readonly cacheBytes: number;
  readonly spoolBytes: number;
  readonly hotBytes: number;
}

/** The limits that are in force here: what operators have set, else the configuration. */
export class LiveCapacity {
  readonly configured: ConfiguredCapacity;
  readonly #ports: LiveCapacityPorts;
  #settings: CapacitySettings = {};
  #applied: Promise<void> = Promise.resolve();

  constructor(ports: LiveCapacityPorts, configured: ConfiguredCapacity) {
    this.#ports = ports;
    this.configured = configured;
  }

  get cacheBytes(): number {
    return this.#settings.cacheBytes ?? this.configured.cacheBytes;
  }

  /** Reads what is set, and applies it here. */
  refresh(): Promise<void> {
    // One after the other: the last to have read is the last to be applied.
    const applied = this.#applied.then(async () => {
      const { settings } = await this.#ports.capacity.settings();
      this.#settings = settings;
      await this.#ports.spool.resize(settings.spoolBytes ?? this.configured.spoolBytes);
      await this.#ports.hot?.resize(settings.hotBytes ?? this.configured.hotBytes);
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
