import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgSequence,
  pgTable,
  primaryKey,
  smallint,
  text,
  unique,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import type { ReplicaReport } from "../domain/replica.ts";
import { key, time } from "./columns.ts";

/** Generations of objects and leases. One sequence for both: a number is never used twice. */
export const fence = pgSequence("fence", { startWith: 1, cache: 1 });

export const artifacts = pgTable(
  "artifacts",
  {
    id: key("id").primaryKey(),
    type: key("type").notNull(),
    name: key("name").notNull(),
    version: key("version").notNull(),
    /** The semantic version in a form that sorts by precedence as bytes. */
    versionKey: key("version_key").notNull(),
    owner: key("owner").notNull(),
    visibility: text("visibility", { enum: ["private", "public"] })
      .notNull()
      .default("private"),
    status: text("status", { enum: ["drafted", "active", "deactivated"] })
      .notNull()
      .default("drafted"),
    description: text("description").notNull().default(""),
    tags: text("tags").array().notNull().default(sql`'{}'::text[]`),
    metadata: jsonb("metadata").$type<Record<string, string>>().notNull().default({}),
    /** The type's own fields, without blobs. */
    fields: jsonb("fields").$type<Record<string, string | number | boolean | null>>().notNull().default({}),
    createdAt: time("created_at").notNull().default(sql`clock_timestamp()`),
    updatedAt: time("updated_at").notNull().default(sql`clock_timestamp()`),
    /** Set once and kept: digests of an artifact that was ever active outlive its locations. */
    activatedAt: time("activated_at"),
    revision: integer("revision").notNull().default(1),
  },
  (t) => [
    unique("artifacts_owner_type_name_version").on(t.owner, t.type, t.name, t.version),
    uniqueIndex("artifacts_public_type_name_version").on(t.type, t.name, t.version).where(sql`visibility = 'public'`),
    // One for each kind of part that lists are put together from: see listArtifacts.
    index("artifacts_listed").on(t.status, t.visibility, t.createdAt, t.id),
    index("artifacts_type_listed").on(t.type, t.status, t.visibility, t.createdAt, t.id),
    index("artifacts_owner_listed").on(t.owner, t.status, t.visibility, t.createdAt, t.id),
    index("artifacts_owner_type_listed").on(t.owner, t.type, t.status, t.visibility, t.createdAt, t.id),
    // Of one name there may be many: what else is asked for is looked at in the index.
    index("artifacts_name_listed").on(t.name, t.status, t.visibility, t.createdAt, t.id, t.type, t.owner),
    index("artifacts_tagged").using("gin", t.tags),
    check("artifacts_visibility", sql`visibility in ('private', 'public')`),
    check("artifacts_status", sql`status in ('drafted', 'active', 'deactivated')`),
    check("artifacts_activated", sql`status = 'drafted' or activated_at is not null`),
    check("artifacts_fields", sql`jsonb_typeof(fields) = 'object' and jsonb_typeof(metadata) = 'object'`),
  ],
);

/** How many artifacts there are: kept by triggers on artifacts, for counting them at every page takes too long. */
export const artifactCounts = pgTable(
  "artifact_counts",
  {
    owner: key("owner").notNull(),
    type: key("type").notNull(),
    status: text("status", { enum: ["drafted", "active", "deactivated"] }).notNull(),
    visibility: text("visibility", { enum: ["private", "public"] }).notNull(),
    count: bigint("count", { mode: "number" }).notNull(),
  },
  (t) => [
    primaryKey({ name: "artifact_counts_key", columns: [t.owner, t.type, t.status, t.visibility] }),
    index("artifact_counts_kind").on(t.status, t.visibility, t.type),
  ],
);

/** What eviction may take: neither internal nor pinned nor irreplaceable (I5), nor kept for its least age. */
export const evictable = sql`state = 'admitted' and internal_refs = 0 and pin_reason is null and irreplaceable_since is null and keep_until is null`;

export const contents = pgTable(
  "contents",
  {
    sha256: key("sha256").primaryKey(),
    /** The generation whose object holds the bytes. */
    fence: bigint("fence", { mode: "number" }).notNull(),
    md5: key("md5"),
    sha1: key("sha1"),
    sha512: key("sha512"),
    size: bigint("size", { mode: "number" }).notNull(),
    /** `quarantined`: found damaged; not served, not joined, until it is healed or fetched anew. */
    state: text("state", { enum: ["admitted", "condemned", "quarantined"] }).notNull(),
    admittedAt: time("admitted_at").notNull().default(sql`clock_timestamp()`),
    lastReadAt: time("last_read_at").notNull().default(sql`clock_timestamp()`),
    condemnedAt: time("condemned_at"),
    /** Reads since it was admitted. */
    hits: bigint("hits", { mode: "number" }).notNull().default(0),
    /** Turns of the inflation in which it was read, as far as they count: see Worth. */
    turns: smallint("turns").notNull().default(1),
    /** What it is worth: the least goes first. */
    value: doublePrecision("value").notNull().default(0),
    /** The project on whose account it was fetched or uploaded; empty: unknown. */
    project: key("project").notNull().default(""),
    /** Host (and port) that delivered it; empty: uploaded, or unknown. */
    origin: key("origin").notNull().default(""),
    /** Internal blobs that name it: kept by a trigger on blobs. */
    internalRefs: integer("internal_refs").notNull().default(0),
    pinReason: text("pin_reason"),
    /** Null with a reason: without end. */
    pinnedUntil: time("pinned_until"),
    pinnedBy: text("pinned_by"),
    /** Since when none of its locations delivers it any more (I5). */
    irreplaceableSince: time("irreplaceable_since"),
    /** When all its bytes were read and compared last. */
    scrubbedAt: time("scrubbed_at"),
    /** Until then eviction does not take it (`min_age`); null: it may. */
    keepUntil: time("keep_until"),
    /** After that it goes, whether room is needed or not (`max_age`); null: it need not. */
    dropAfter: time("drop_after"),
    /** When its locations were asked last whether they still deliver it. */
    revalidatedAt: time("revalidated_at"),
  },
  (t) => [
    unique("contents_fence").on(t.fence),
    index("contents_value").on(t.value, t.lastReadAt, t.sha256).where(evictable),
    index("contents_least_recent").on(t.lastReadAt, t.sha256).where(evictable),
    index("contents_value_of_project").on(t.project, t.value, t.lastReadAt, t.sha256).where(evictable),
    index("contents_value_of_origin").on(t.origin, t.value, t.lastReadAt, t.sha256).where(evictable),
    index("contents_drop_after").on(t.dropAfter).where(sql`state = 'admitted' and drop_after is not null`),
    // What lists are filtered by stands behind their order: what is passed over is not read from the table.
    index("contents_by_digest").on(t.sha256, t.project, t.origin, t.state, t.internalRefs, t.size, t.lastReadAt),
    index("contents_by_read").on(t.lastReadAt, t.sha256, t.project, t.origin, t.state, t.internalRefs, t.size),
    index("contents_by_size").on(t.size, t.sha256, t.project, t.origin, t.state, t.internalRefs, t.lastReadAt),
    index("contents_by_admission").on(
      ...[t.admittedAt, t.sha256, t.project, t.origin, t.state, t.internalRefs, t.size, t.lastReadAt],
    ),
    index("contents_by_project").on(t.project, t.sha256),
    index("contents_by_origin").on(t.origin, t.sha256),
    index("contents_pinned").on(t.sha256).where(sql`pin_reason is not null`),
    index("contents_irreplaceable").on(t.sha256).where(sql`irreplaceable_since is not null`),
    index("contents_quarantined").on(t.sha256).where(sql`state = 'quarantined'`),
    index("contents_revalidated")
      .on(sql`${t.revalidatedAt} nulls first`, t.sha256)
      .where(sql`state = 'admitted' and internal_refs = 0`),
    index("contents_keep_ends").on(t.keepUntil).where(sql`keep_until is not null`),
    index("contents_pin_ends").on(t.pinnedUntil).where(sql`pinned_until is not null`),
    index("contents_scrubbed").on(sql`${t.scrubbedAt} nulls first`, t.sha256).where(sql`state = 'admitted'`),
    check(
      "contents_pin",
      sql`(pin_reason is null) = (pinned_by is null) and (pin_reason is not null or pinned_until is null)`,
    ),
    check("contents_counts", sql`hits >= 0 and internal_refs >= 0`),
    index("contents_condemned").on(t.condemnedAt, t.sha256).where(sql`state = 'condemned'`),
    check("contents_state", sql`state in ('admitted', 'condemned', 'quarantined')`),
    check("contents_condemned_at", sql`(state = 'condemned') = (condemned_at is not null)`),
    check("contents_size", sql`size >= 0`),
    check("contents_sha256", sql`sha256 ~ '^[0-9a-f]{64}$'`),
    check("contents_md5", sql`md5 ~ '^[0-9a-f]{32}$'`),
    check("contents_sha1", sql`sha1 ~ '^[0-9a-f]{40}$'`),
    check("contents_sha512", sql`sha512 ~ '^[0-9a-f]{128}$'`),
  ],
);

export const blobs = pgTable(
  "blobs",
  {
    id: key("id").primaryKey(),
    artifactId: key("artifact_id")
      .notNull()
      .references(() => artifacts.id, { onDelete: "cascade" }),
    field: key("field").notNull(),
    /** Empty unless the field is a blob dict. */
    key: key("key").notNull().default(""),
    /** Null: the location was removed, the digests stay (I10). */
    kind: text("kind", { enum: ["internal", "external"] }),
    url: text("url"),
    setBy: text("set_by", { enum: ["admin", "member"] }),
    md5: key("md5"),
    sha1: key("sha1"),
    sha256: key("sha256"),
    sha512: key("sha512"),
    size: bigint("size", { mode: "number" }),
    digestSource: text("digest_source", { enum: ["given", "discovered", "signed", "first_fetch"] }),
    contentType: text("content_type").notNull(),
    /** Set: this record has earned that content (I6). It is also what keeps the content alive. */
    contentSha256: key("content_sha256").references(() => contents.sha256),
    createdAt: time("created_at").notNull().default(sql`clock_timestamp()`),
    updatedAt: time("updated_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    unique("blobs_artifact_field_key").on(t.artifactId, t.field, t.key),
    index("blobs_content").on(t.contentSha256).where(sql`content_sha256 is not null`),
    index("blobs_sha256").on(t.sha256).where(sql`sha256 is not null`),
    index("blobs_url").using("hash", t.url).where(sql`url is not null`),
    check("blobs_kind", sql`kind in ('internal', 'external')`),
    check(
      "blobs_location",
      sql`(coalesce(kind, '') = 'external') = (url is not null) and (url is null) = (set_by is null)`,
    ),
    check("blobs_set_by", sql`set_by in ('admin', 'member')`),
    check(
      "blobs_earned",
      sql`content_sha256 is null or (kind is not null and size is not null and coalesce(sha256, '') = content_sha256)`,
    ),
    check("blobs_internal", sql`coalesce(kind, '') <> 'internal' or content_sha256 is not null`),
    check("blobs_digest_source", sql`(digest_source is null) = (coalesce(md5, sha1, sha256, sha512) is null)`),
    check("blobs_digest_sources", sql`digest_source in ('given', 'discovered', 'signed', 'first_fetch')`),
    check("blobs_size", sql`size >= 0`),
    check("blobs_md5", sql`md5 ~ '^[0-9a-f]{32}$'`),
    check("blobs_sha1", sql`sha1 ~ '^[0-9a-f]{40}$'`),
    check("blobs_sha256_hex", sql`sha256 ~ '^[0-9a-f]{64}$'`),
    check("blobs_sha512", sql`sha512 ~ '^[0-9a-f]{128}$'`),
  ],
);

export const leases = pgTable(
  "leases",
  {
    key: key("key").notNull(),
    holder: key("holder").notNull(),
    fence: bigint("fence", { mode: "number" }).notNull(),
    /** Written and compared by the database's clock alone. */
    expiresAt: time("expires_at").notNull(),
  },
  (t) => [primaryKey({ name: "leases_key", columns: [t.key] }), index("leases_holder").on(t.holder)],
);

/** Who was given bytes that failed, by the blob's place: no reference, for it outlives the record. */
export const graves = pgTable(
  "graves",
  {
    artifactId: key("artifact_id").notNull(),
    field: key("field").notNull(),
    key: key("key").notNull(),
    /** Token and address, or `*`. */
    caller: key("caller").notNull(),
    /** This caller has begun anew since. */
    anew: boolean("anew").notNull(),
    writtenAt: time("written_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({ name: "graves_place_caller", columns: [t.artifactId, t.field, t.key, t.caller] }),
    index("graves_written").on(t.writtenAt),
  ],
);

export const tokens = pgTable(
  "tokens",
  {
    id: key("id").primaryKey(),
    name: text("name").notNull(),
    project: key("project").notNull(),
    roles: text("roles", { enum: ["reader", "member", "auditor", "admin"] })
      .array()
      .notNull(),
    cidrs: text("cidrs").array().notNull(),
    /** SHA-256 of the secret; the secret itself is nowhere. */
    secretHash: key("secret_hash").notNull(),
    createdAt: time("created_at").notNull(),
    expiresAt: time("expires_at"),
    revokedAt: time("revoked_at"),
  },
  (t) => [
    unique("tokens_secret_hash").on(t.secretHash),
    index("tokens_created").on(t.createdAt, t.id),
    check("tokens_roles", sql`roles <@ array['reader', 'member', 'auditor', 'admin']`),
  ],
);

export const replicas = pgTable("replicas", {
  holder: key("holder").primaryKey(),
  /** `sha256/fence` of each object that its readers have open. */
  openObjects: text("open_objects").array().notNull(),
  /** What it tells of itself: see ReplicaReport. */
  report: jsonb("report").$type<ReplicaReport>().notNull().default({}),
  // Both by the database's clock alone.
  startedAt: time("started_at").notNull().default(sql`clock_timestamp()`),
  seenAt: time("seen_at").notNull().default(sql`clock_timestamp()`),
});

/** One row, which the migration makes: what ties a bucket to this catalog. */
export const deployment = pgTable(
  "deployment",
  {
    single: boolean("single").primaryKey().default(true),
    id: text("id").notNull().default(sql`gen_random_uuid()::text`),
  },
  () => [check("deployment_single", sql`single`)],
);

/** What contents use, by whose account, where from, and class: kept by a trigger on contents, for sums over them take too long. */
export const contentUse = pgTable(
  "content_use",
  {
    project: key("project").notNull(),
    origin: key("origin").notNull(),
    class: key("class").notNull(),
    bytes: bigint("bytes", { mode: "number" }).notNull(),
    count: bigint("count", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ name: "content_use_key", columns: [t.project, t.origin, t.class] })],
);

/** One row, which the migration makes: what holds for the capacity of the whole deployment. Its lock is the ledger's. */
export const capacity = pgTable(
  "capacity",
  {
    single: boolean("single").primaryKey().default(true),
    /** What an operator has set; what is absent is as the configuration says. */
    settings: jsonb("settings").$type<Readonly<Record<string, unknown>>>().notNull().default({}),
    /** Counts the changes of the settings. */
    revision: integer("revision").notNull().default(1),
    /** What was evicted last had this value: newcomers begin with it. */
    inflation: doublePrecision("inflation").notNull().default(0),
    updatedAt: time("updated_at").notNull().default(sql`clock_timestamp()`),
    updatedBy: text("updated_by"),
  },
  () => [check("capacity_single", sql`single`)],
);

/** Room in the store that is spoken for by bytes under way. */
export const reservations = pgTable(
  "reservations",
  {
    /** The generation that the object will have. */
    fence: bigint("fence", { mode: "number" }).primaryKey(),
    /** Names what the room is for: see SpaceClaim. */
    key: key("key").notNull(),
    holder: key("holder").notNull(),
    bytes: bigint("bytes", { mode: "number" }).notNull(),
    project: key("project").notNull().default(""),
    origin: key("origin").notNull().default(""),
    createdAt: time("created_at").notNull().default(sql`clock_timestamp()`),
  },
  (t) => [
    unique("reservations_key").on(t.key),
    index("reservations_holder").on(t.holder),
    check("reservations_bytes", sql`bytes >= 0`),
  ],
);

/** Bytes that are refused to all: no reference, for a block outlives the content. */
export const blocks = pgTable(
  "blocks",
  {
    sha256: key("sha256").primaryKey(),
    reason: text("reason").notNull(),
    blockedBy: text("blocked_by").notNull(),
    blockedAt: time("blocked_at").notNull().default(sql`clock_timestamp()`),
  },
  () => [check("blocks_sha256", sql`sha256 ~ '^[0-9a-f]{64}$'`)],
);
