import { keepLease, LEASE_TERM_MS, type LeasePorts } from "../cache/lease-keeper.ts";
import type { Job } from "./schedule.ts";

export interface JobLeasePorts extends LeasePorts {
  /** Names this process as the holder of leases. */
  readonly holder: string;
}

/** The job, run by one process of the deployment at a time: by whoever has its lease when its turn comes. */
export function underLease(job: Job, ports: JobLeasePorts): Job {
  const key = `job:${job.name}`;
  return {
    ...job,
    async run(signal) {
      const first = await ports.leases.take(key, ports.holder, LEASE_TERM_MS);
      // A job belongs to nobody: what has run out is anybody's.
      const free = first.kind === "held" && (first.expired || first.by.holder === ports.holder);
      const answer = free
        ? await ports.leases.takeOver(first.by, ports.holder, LEASE_TERM_MS, first.by.holder === ports.holder)
        : first;
      if (answer.kind === "held") return;
      await using kept = keepLease(ports, answer.lease);
      await job.run(AbortSignal.any([signal, kept.lost]));
    },
  };
}
