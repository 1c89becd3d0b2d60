import type { Sha256 } from "./digest.ts";
import { FILL_LIMITS, type FillLimits } from "./fill-limits.ts";

/** How contents are chosen that have to go: by value for their size, or by when they were read last. */
export const EVICTIONS = ["gdsf", "lru"] as const;
export type Eviction = (typeof EVICTIONS)[number];

/** The part of the cache (above 0, at most 1) that one project or one origin may occupy while others want room. */
export interface Share {
  readonly project?: string;
  /** Host, with its port when it is not the scheme's own. */
  readonly origin?: string;
  readonly part: number;
}

/** What an operator has set; what is absent is as the configuration of each process says, or as is usual. */
export interface CapacitySettings {
  /** Bytes of all content together. */
  readonly cacheBytes?: number;
  /** Part of the limit above which the background evicts, and down to which. */
  readonly highWatermark?: number;
  readonly lowWatermark?: number;
  /** Bytes that pins may hold. */
  readonly pinMaxBytes?: number;
  readonly shares?: readonly Share[];
  readonly eviction?: Eviction;
  /** Bytes of each replica's hot tier and spool. */
  readonly hotBytes?: number;
  readonly spoolBytes?: number;
  /** Those that are not as usual. */
  readonly fills?: Partial<FillLimits>;
}

/** What is usual; functions of migration 0010_space know it too. */
export const USUAL = { highWatermark: 0.95, lowWatermark: 0.9, pinPart: 0.5, eviction: "gdsf" } as const;

export interface CapacityRecord {
  readonly settings: CapacitySettings;
  /** Counts the changes. */
  readonly revision: number;
  readonly updatedAt: Date;
  /** The token that changed it last; undefined: nobody has. */
  readonly updatedBy: string | undefined;
}

/** Contents are counted in one class each, the first of these that fits. */
export const CLASSES = ["condemned", "quarantined", "internal", "pinned", "irreplaceable", "cached"] as const;
export type ContentClass = (typeof CLASSES)[number];

/** What contents of one class and account use. */
export interface ClassUse {
  readonly project: string;
  readonly origin: string;
  readonly class: ContentClass;
  readonly bytes: number;
  readonly count: number;
}

/** What is reserved on one account. */
export interface ReservedUse {
  readonly project: string;
  readonly origin: string;
  readonly bytes: number;
  readonly count: number;
}

export interface CapacityUse {
  readonly classes: readonly ClassUse[];
  readonly reserved: readonly ReservedUse[];
}

/** Why a content is not to be evicted. */
export interface Pin {
  readonly reason: string;
  /** undefined: without end. */
  readonly until: Date | undefined;
  /** The token that pinned it. */
  readonly by: string;
}

/** The one set of limits that holds for the whole deployment, and what it is used for. */
export interface CapacityCatalog {
  settings(): Promise<CapacityRecord>;
  /** Replaces all settings; `precondition-failed` when their revision is not `expected` any more. */
  replace(settings: CapacitySettings, expected: number, by: string): Promise<CapacityRecord>;
  /** What contents and reservations use, at one moment. */
  use(): Promise<CapacityUse>;
  /**
   * Pins admitted content, or gives its pin another reason and end; `content-not-found`,
   * `pin-limit` when pins would hold more than they may.
   * @param configured bytes of the store's limit when no operator has set one
   */
  pin(sha256: Sha256, pin: Pin, configured: number): Promise<void>;
  /** Ends a pin; none is no error. `content-not-found`. */
  unpin(sha256: Sha256): Promise<void>;
}

/** Limits as the configuration of a process says. */
export interface ConfiguredCapacity {
  readonly cacheBytes: number;
  readonly spoolBytes: number;
  /** undefined: it has no hot tier, for its store is local. */
  readonly hotBytes: number | undefined;
}

/** Settings without gaps: what is set, else what is configured, else what is usual. */
export type CapacityInForce = Omit<Required<CapacitySettings>, "hotBytes" | "fills"> & {
  readonly hotBytes: number | undefined;
  readonly fills: FillLimits;
};

export function inForce(settings: CapacitySettings, configured: ConfiguredCapacity): CapacityInForce {
  const cacheBytes = settings.cacheBytes ?? configured.cacheBytes;
  return {
    cacheBytes,
    highWatermark: settings.highWatermark ?? USUAL.highWatermark,
    lowWatermark: settings.lowWatermark ?? Math.min(USUAL.lowWatermark, settings.highWatermark ?? 1),
    pinMaxBytes: settings.pinMaxBytes ?? Math.floor(cacheBytes * USUAL.pinPart),
    shares: settings.shares ?? [],
    eviction: settings.eviction ?? USUAL.eviction,
    hotBytes: settings.hotBytes ?? configured.hotBytes,
    spoolBytes: settings.spoolBytes ?? configured.spoolBytes,
    fills: { ...FILL_LIMITS, ...settings.fills },
  };
}
