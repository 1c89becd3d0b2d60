import { sql } from "drizzle-orm";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import type { AuditCatalog } from "../domain/audit-catalog.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { BlobSearch } from "../domain/blob-search.ts";
import type { Blocks } from "../domain/blocks.ts";
import type { CapacityCatalog } from "../domain/capacity.ts";
import type { CatalogChanges } from "../domain/catalog-changes.ts";
import type { ContentCare } from "../domain/content-care.ts";
import type { ContentCatalog, ContentLedger, ContentRecovery } from "../domain/content-catalog.ts";
import type { ContentInventory } from "../domain/content-inventory.ts";
import { CisternError } from "../domain/errors.ts";
import type { FillQueue, FillUpkeep, FillWork } from "../domain/fill-queue.ts";
import type { FirstAnswers } from "../domain/first-answers.ts";
import type { Graves } from "../domain/graves.ts";
import type { Leases } from "../domain/lease.ts";
import type { PolicyCatalog } from "../domain/policy-catalog.ts";
import type { PolicyScan } from "../domain/policy-scan.ts";
import type { QuotaCatalog } from "../domain/quotas.ts";
import type { Replicas } from "../domain/replica.ts";
import type { Revalidation } from "../domain/revalidation.ts";
import type { SpaceLedger } from "../domain/space.ts";
import type { Tasks, TaskWork } from "../domain/tasks.ts";
import type { TokenCatalog } from "../domain/token-catalog.ts";
import { PostgresArtifactCatalog } from "./artifact-catalog.ts";
import { PostgresAuditCatalog } from "./audit-catalog.ts";
import { PostgresBlobCatalog } from "./blob-catalog.ts";
import { PostgresBlobSearch } from "./blob-search.ts";
import { PostgresBlocks } from "./blocks.ts";
import { PostgresCapacityCatalog } from "./capacity-catalog.ts";
import { PostgresContentCare } from "./content-care.ts";
import { PostgresContentCatalog } from "./content-catalog.ts";
import { PostgresContentInventory } from "./content-inventory.ts";
import { PostgresContentLedger } from "./content-ledger.ts";
import { PostgresContentRecovery } from "./content-recovery.ts";
import type { Database } from "./database.ts";
import { PostgresFillQueue } from "./fill-queue.ts";
import { PostgresFillWork } from "./fill-work.ts";
import { PostgresFirstAnswers } from "./first-answers.ts";
import { PostgresGraves } from "./graves.ts";
import { housekeep, housekeepServer } from "./housekeep.ts";
import { PostgresLeases } from "./leases.ts";
import { PostgresPolicyCatalog } from "./policy-catalog.ts";
import { PostgresPolicyScan } from "./policy-scan.ts";
import { PostgresQuotaCatalog } from "./quota-catalog.ts";
import { PostgresReplicas } from "./replicas.ts";
import { PostgresRevalidation } from "./revalidation.ts";
import { deployment } from "./schema.ts";
import { Session } from "./session.ts";
import { PostgresSpaceLedger } from "./space-ledger.ts";
import { PostgresTasks } from "./tasks.ts";
import { PostgresTokenCatalog } from "./token-catalog.ts";

/** The catalog's ports over one database. Everything rejects with `catalog-unavailable` once it is lost. */
export interface Catalog extends AsyncDisposable {
  readonly artifacts: ArtifactCatalog;
  readonly blobs: BlobCatalog;
  readonly blobSearch: BlobSearch;
  readonly contents: ContentCatalog;
  readonly ledger: ContentLedger;
  readonly recovery: ContentRecovery;
  readonly space: SpaceLedger;
  readonly capacity: CapacityCatalog;
  readonly inventory: ContentInventory;
  readonly care: ContentCare;
  readonly blocks: Blocks;
  readonly tasks: Tasks & TaskWork;
  readonly revalidation: Revalidation;
  readonly leases: Leases;
  readonly firstAnswers: FirstAnswers;
  readonly graves: Graves;
  readonly fillQueue: FillQueue;
  readonly fillWork: FillWork & FillUpkeep;
  readonly tokens: TokenCatalog;
  readonly policies: PolicyCatalog;
  readonly policyScan: PolicyScan;
  readonly auditRows: AuditCatalog;
  readonly quotas: QuotaCatalog;
  readonly replicas: Replicas;
  readonly changes: CatalogChanges;
  /** Aborted when the database is gone for good and only a new start helps; a server's never is. */
  readonly lost: AbortSignal;
  /** Upkeep that has to be called now and then (every few minutes); bounded in disk and rows by it. */
  housekeep(signal: AbortSignal): Promise<void>;
  /** What ties a store's content to this catalog: made with it, random, never another. */
  deploymentId(): Promise<string>;
  /** Resolves when the database answers. */
  ping(): Promise<void>;
}

/**
 * The ports over a database whose schema is up to date; closes it when it is disposed of.
 *
 * @param queryMilliseconds limit of one query or transaction, waiting for its turn included
 */
export function catalogOver(database: Database, queryMilliseconds: number): Catalog {
  const session = new Session(database, queryMilliseconds);
  return {
    artifacts: new PostgresArtifactCatalog(session),
    blobs: new PostgresBlobCatalog(session),
    blobSearch: new PostgresBlobSearch(session),
    contents: new PostgresContentCatalog(session),
    ledger: new PostgresContentLedger(session),
    recovery: new PostgresContentRecovery(session),
    space: new PostgresSpaceLedger(session, database.embedded),
    capacity: new PostgresCapacityCatalog(session),
    inventory: new PostgresContentInventory(session),
    care: new PostgresContentCare(session),
    blocks: new PostgresBlocks(session),
    tasks: new PostgresTasks(session),
    revalidation: new PostgresRevalidation(session),
    leases: new PostgresLeases(session, database.embedded),
    firstAnswers: new PostgresFirstAnswers(session),
    graves: new PostgresGraves(session),
    fillQueue: new PostgresFillQueue(session),
    fillWork: new PostgresFillWork(session),
    tokens: new PostgresTokenCatalog(session),
    policies: new PostgresPolicyCatalog(session),
    policyScan: new PostgresPolicyScan(session),
    auditRows: new PostgresAuditCatalog(session),
    quotas: new PostgresQuotaCatalog(session),
    replicas: new PostgresReplicas(session),
    changes: database.changes,
    lost: database.lost,
    housekeep: (signal) => (database.embedded ? housekeep(session, signal) : housekeepServer(session)),
    async deploymentId() {
      const [row] = await session.query((db) => db.select({ id: deployment.id }).from(deployment));
      if (row === undefined) throw new CisternError("internal", "the catalog has lost the row of its deployment");
      return row.id;
    },
    async ping() {
      await session.lookUp((db) => db.execute(sql`select 1`));
    },
    [Symbol.asyncDispose]: () => database.close(),
  };
}
