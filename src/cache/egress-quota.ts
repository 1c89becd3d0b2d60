import type { Clock } from "../domain/clock.ts";
import type { Behalf, EgressMeter } from "../domain/egress.ts";
import { CisternError } from "../domain/errors.ts";
import type { QuotaCatalog } from "../domain/quotas.ts";

export interface EgressQuotaPorts {
  readonly quotas: QuotaCatalog;
  /** Its time of day is what all processes of the deployment agree on. */
  readonly clock: Pick<Clock, "now">;
  /** Bytes in a day of a project that has no limit of its own; Infinity: without limit. */
  limitOf(project: string): number;
}

/** What one fill was charged for, and what has come. */
interface Account {
  readonly project: string;
  charged: number;
  /** The day (UTC) that was charged. */
  readonly day: number;
  received: number;
  /** Nothing is left for what was not charged. */
  spent: CisternError | undefined;
}

const DAY_MS = 24 * 3_600_000;

/**
 * Bytes fetched per project and UTC day, over all replicas. A length that is known is charged at
 * once, before it is fetched, so that fills which start together cannot pass the limit together; what
 * comes beyond it, and lengths that nobody knows, are added in batches by `flush`. What was charged may
 * be fetched to its end; a fill of a length that nobody knows, which may have no end, is told by `count`
 * when nothing is left.
 */
export class EgressQuota implements EgressMeter {
  readonly #ports: EgressQuotaPorts;
  readonly #accounts = new Map<string, Account>();
  #pending = new Map<string, number>();

  constructor(ports: EgressQuotaPorts) {
    this.#ports = ports;
  }

  async admit({ project, fill }: Behalf, bytes: number | undefined): Promise<void> {
    if (fill === undefined) return;
    const account = this.#accounts.get(fill);
    if (account?.spent !== undefined) throw account.spent;
    // Whoever was charged may end: only a length that was not known yet is judged.
    if (account !== undefined && (account.charged > 0 || bytes === undefined || bytes === 0)) return;
    const wanted = bytes ?? 0;
    const { quotas, limitOf } = this.#ports;
    const { admitted, used, limit } = await quotas.charge(project, wanted, limitOf(project));
    if (!admitted) throw this.#exceeded(wanted, used, limit);
    if (account !== undefined) account.charged = wanted;
    else this.#accounts.set(fill, { project, charged: wanted, day: this.#today(), received: 0, spent: undefined });
  }

  /** What `admit` would say of a fill that begins now; nothing counts by it. */
  async foresee(project: string, bytes = 0): Promise<void> {
    const { quotas, limitOf } = this.#ports;
    const { admitted, used, limit } = await quotas.foresee(project, bytes, limitOf(project));
    if (!admitted) throw this.#exceeded(bytes, used, limit);
  }

  count({ project, fill }: Behalf, bytes: number): void {
    const account = fill === undefined ? undefined : this.#accounts.get(fill);
    if (account !== undefined) account.received += bytes;
    const beyond = account === undefined ? bytes : Math.min(bytes, account.received - account.charged);
    if (beyond > 0) this.#add(project, beyond);
    if (account?.spent !== undefined) throw account.spent;
  }

  over(fill: string): void {
    const account = this.#accounts.get(fill);
    if (account === undefined) return;
    this.#accounts.delete(fill);
    const unused = account.charged - account.received;
    // Another day's bytes are no credit for today.
    if (unused > 0 && account.day === this.#today()) this.#add(account.project, -unused);
  }

  /** Tells the catalog. Rejects when it does not take it: then the next one does. */
  async flush(): Promise<void> {
    const told = this.#pending;
    if (told.size === 0) return;
    this.#pending = new Map();
    try {
      await this.#ports.quotas.count(told);
    } catch (error) {
      for (const [project, bytes] of told) this.#add(project, bytes);
      throw error;
    }
    await this.#judge([...told.keys()]);
  }

  /** Whether there is anything left for the fills of these projects whose lengths nobody knows. */
  async #judge(projects: readonly string[]): Promise<void> {
    const { quotas, limitOf } = this.#ports;
    for (const project of projects) {
      const endless = [...this.#accounts.values()].filter((one) => one.project === project && one.charged === 0);
      if (endless.length === 0) continue;
      const { admitted, used, limit } = await quotas.charge(project, 0, limitOf(project));
      if (!admitted) for (const account of endless) account.spent = this.#exceeded(0, used, limit);
    }
  }

  #today(): number {
    return Math.floor(this.#ports.clock.now().getTime() / DAY_MS);
  }

  #add(project: string, bytes: number): void {
    this.#pending.set(project, (this.#pending.get(project) ?? 0) + bytes);
  }

  #exceeded(wanted: number, used: number, limit: number): CisternError {
    const left = Math.max(0, limit - used);
    const what = wanted > left ? `these are ${wanted} bytes, and ${left} are left` : "nothing is left";
    return new CisternError(
      "egress-quota",
      `the project may have ${limit} bytes fetched a day (UTC): ${what}; what is cached is served all the same`,
      { retryAfter: Math.max(1, Math.ceil(untilMidnight(this.#ports.clock.now()) / 1000)) },
    );
  }
}

/** Milliseconds. */
function untilMidnight(now: Date): number {
  return DAY_MS - (now.getTime() % DAY_MS);
}
