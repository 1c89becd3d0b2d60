import { randomUUID } from "node:crypto";
import type { AuditEntry, AuditTrail } from "../domain/audit.ts";
import type { AuditCatalog, AuditRecord } from "../domain/audit-catalog.ts";
import type { Clock } from "../domain/clock.ts";
import type { EgressLog, EgressRecord } from "../domain/egress.ts";
import { CisternError, isCisternError } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";
import { SYSTEM } from "../domain/principal.ts";
import { AuditBuffer } from "./audit-buffer.ts";
import { auditState, auditText } from "./audit-values.ts";

export interface AuditPorts {
  readonly catalog: AuditCatalog;
  /** Its time of day is what all processes of the deployment agree on. */
  readonly clock: Pick<Clock, "now">;
  readonly events: Events;
}

type Noted = Omit<AuditRecord, "entry" | "at">;

const BATCH = 500;

/**
 * The audit over the catalog. A change waits until its entry is durable. Requests that leave do not
 * wait: they are written in batches by `flush`, and while the catalog is away they stay in memory.
 */
export class CatalogAudit implements AuditTrail, EgressLog {
  readonly #ports: AuditPorts;
  readonly #buffer = new AuditBuffer();
  #flushing: Promise<void> | undefined;

  constructor(ports: AuditPorts) {
    this.#ports = ports;
  }

  async record({ principal, action, object, before, after }: AuditEntry): Promise<void> {
    const { tokenId, project, roles, address } = principal;
    const states = { before: auditState(before), after: auditState(after) };
    const record = this.#made({ kind: "change", actor: tokenId, project, roles, address, action, object, ...states });
    try {
      await this.#ports.catalog.append([record]);
    } catch (cause) {
      this.#buffer.push(record);
      this.#ports.events.emit({ kind: "audit-unwritten", entry: record, cause });
      throw new CisternError(
        "audit-unwritten",
        "the change is made, but the audit could not be written yet: the entry is in the log, and is written when the catalog answers",
        { cause },
      );
    }
  }

  /** Notes a request that left, to be written by the next flush; what finds no room is counted and told. */
  left({ project, url, method, address, ...rest }: EgressRecord): void {
    const { blob, status, bytes, outcome, sha256 } = rest;
    this.#note({
      kind: "egress",
      actor: SYSTEM.tokenId,
      project,
      roles: SYSTEM.roles,
      address: address ?? "",
      action: method === "HEAD" ? "egress.head" : "egress.get",
      object: url,
      before: undefined,
      after: { blob, status: status ?? null, bytes, outcome, ...(sha256 === undefined ? {} : { sha256 }) },
    });
  }

  #note(noted: Noted): void {
    this.#buffer.push(this.#made(noted));
  }

  /** Writes what waits. Rejects when the catalog does not take it: it goes on waiting. */
  flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #write(): Promise<void> {
    while (this.#buffer.length > 0) {
      const batch = this.#buffer.peek(BATCH);
      await this.#append(batch);
      this.#buffer.remove(batch.length);
    }
    const dropped = this.#buffer.takeDropped();
    if (dropped === 0) return;
    this.#ports.events.emit({ kind: "audit-dropped", entries: dropped });
    const { tokenId: actor, project, roles, address } = SYSTEM;
    const after = { entries: dropped };
    this.#note({
      kind: "change",
      actor,
      project,
      roles,
      address,
      action: "audit.drop",
      object: "audit",
      before: undefined,
      after,
    });
    await this.#write();
  }

  /** One that the catalog cannot hold must not keep the others back. */
  async #append(batch: readonly AuditRecord[]): Promise<void> {
    try {
      await this.#ports.catalog.append(batch);
    } catch (cause) {
      if (!isCisternError(cause, "invalid-input")) throw cause;
      const [only, ...others] = batch;
      if (only !== undefined && others.length === 0) {
        this.#ports.events.emit({ kind: "audit-unwritten", entry: only, cause });
        return;
      }
      for (const record of batch) await this.#append([record]);
    }
  }

  #made(noted: Noted): AuditRecord {
    const { action, object, address, project, actor } = noted;
    return {
      ...noted,
      actor: auditText(actor),
      project: auditText(project),
      address: auditText(address),
      action: auditText(action),
      object: auditText(object),
      entry: randomUUID(),
      at: this.#ports.clock.now(),
    };
  }
}
