CREATE SEQUENCE "public"."fence" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "artifacts" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"type" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"version" text COLLATE "C" NOT NULL,
	"version_key" text COLLATE "C" NOT NULL,
	"owner" text COLLATE "C" NOT NULL,
	"visibility" text DEFAULT 'private' NOT NULL,
	"status" text DEFAULT 'drafted' NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"tags" text[] DEFAULT '{}'::text[] NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"fields" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"activated_at" timestamp with time zone,
	"revision" integer DEFAULT 1 NOT NULL,
	CONSTRAINT "artifacts_owner_type_name_version" UNIQUE("owner","type","name","version"),
	CONSTRAINT "artifacts_visibility" CHECK (visibility in ('private', 'public')),
	CONSTRAINT "artifacts_status" CHECK (status in ('drafted', 'active', 'deactivated')),
	CONSTRAINT "artifacts_activated" CHECK (status = 'drafted' or activated_at is not null),
	CONSTRAINT "artifacts_fields" CHECK (jsonb_typeof(fields) = 'object' and jsonb_typeof(metadata) = 'object')
);
--> statement-breakpoint
CREATE TABLE "blobs" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"artifact_id" text COLLATE "C" NOT NULL,
	"field" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" DEFAULT '' NOT NULL,
	"kind" text,
	"url" text,
	"set_by" text,
	"md5" text COLLATE "C",
	"sha1" text COLLATE "C",
	"sha256" text COLLATE "C",
	"sha512" text COLLATE "C",
	"size" bigint,
	"digest_source" text,
	"content_type" text NOT NULL,
	"content_sha256" text COLLATE "C",
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "blobs_artifact_field_key" UNIQUE("artifact_id","field","key"),
	CONSTRAINT "blobs_kind" CHECK (kind in ('internal', 'external')),
	CONSTRAINT "blobs_location" CHECK ((coalesce(kind, '') = 'external') = (url is not null) and (url is null) = (set_by is null)),
	CONSTRAINT "blobs_set_by" CHECK (set_by in ('admin', 'member')),
	CONSTRAINT "blobs_earned" CHECK (content_sha256 is null or (kind is not null and size is not null and coalesce(sha256, '') = content_sha256)),
	CONSTRAINT "blobs_internal" CHECK (coalesce(kind, '') <> 'internal' or content_sha256 is not null),
	CONSTRAINT "blobs_digest_source" CHECK ((digest_source is null) = (coalesce(md5, sha1, sha256, sha512) is null)),
	CONSTRAINT "blobs_digest_sources" CHECK (digest_source in ('given', 'discovered', 'signed', 'first_fetch')),
	CONSTRAINT "blobs_size" CHECK (size >= 0),
	CONSTRAINT "blobs_md5" CHECK (md5 ~ '^[0-9a-f]{32}$'),
	CONSTRAINT "blobs_sha1" CHECK (sha1 ~ '^[0-9a-f]{40}$'),
	CONSTRAINT "blobs_sha256_hex" CHECK (sha256 ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "blobs_sha512" CHECK (sha512 ~ '^[0-9a-f]{128}$')
);
--> statement-breakpoint
CREATE TABLE "contents" (
	"sha256" text COLLATE "C" PRIMARY KEY NOT NULL,
	"fence" bigint NOT NULL,
	"md5" text COLLATE "C",
	"sha1" text COLLATE "C",
	"sha512" text COLLATE "C",
	"size" bigint NOT NULL,
	"state" text NOT NULL,
	"admitted_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"last_read_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"condemned_at" timestamp with time zone,
	CONSTRAINT "contents_fence" UNIQUE("fence"),
	CONSTRAINT "contents_state" CHECK (state in ('admitted', 'condemned')),
	CONSTRAINT "contents_condemned_at" CHECK ((state = 'condemned') = (condemned_at is not null)),
	CONSTRAINT "contents_size" CHECK (size >= 0),
	CONSTRAINT "contents_sha256" CHECK (sha256 ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "contents_md5" CHECK (md5 ~ '^[0-9a-f]{32}$'),
	CONSTRAINT "contents_sha1" CHECK (sha1 ~ '^[0-9a-f]{40}$'),
	CONSTRAINT "contents_sha512" CHECK (sha512 ~ '^[0-9a-f]{128}$')
);
--> statement-breakpoint
CREATE TABLE "leases" (
	"key" text COLLATE "C" NOT NULL,
	"holder" text COLLATE "C" NOT NULL,
	"fence" bigint NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "leases_key" PRIMARY KEY("key")
);
--> statement-breakpoint
CREATE TABLE "tokens" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"project" text COLLATE "C" NOT NULL,
	"roles" text[] NOT NULL,
	"cidrs" text[] NOT NULL,
	"secret_hash" text COLLATE "C" NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "tokens_secret_hash" UNIQUE("secret_hash"),
	CONSTRAINT "tokens_roles" CHECK (roles <@ array['reader', 'member', 'auditor', 'admin'])
);
--> statement-breakpoint
ALTER TABLE "blobs" ADD CONSTRAINT "blobs_artifact_id_artifacts_id_fk" FOREIGN KEY ("artifact_id") REFERENCES "public"."artifacts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "blobs" ADD CONSTRAINT "blobs_content_sha256_contents_sha256_fk" FOREIGN KEY ("content_sha256") REFERENCES "public"."contents"("sha256") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "artifacts_public_type_name_version" ON "artifacts" USING btree ("type","name","version") WHERE visibility = 'public';--> statement-breakpoint
CREATE INDEX "artifacts_created" ON "artifacts" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "artifacts_type_created" ON "artifacts" USING btree ("type","created_at","id");--> statement-breakpoint
CREATE INDEX "artifacts_owner_created" ON "artifacts" USING btree ("owner","created_at","id");--> statement-breakpoint
CREATE INDEX "artifacts_name_created" ON "artifacts" USING btree ("name","created_at","id");--> statement-breakpoint
CREATE INDEX "blobs_content" ON "blobs" USING btree ("content_sha256") WHERE content_sha256 is not null;--> statement-breakpoint
CREATE INDEX "blobs_sha256" ON "blobs" USING btree ("sha256") WHERE sha256 is not null;--> statement-breakpoint
CREATE INDEX "blobs_url" ON "blobs" USING hash ("url") WHERE url is not null;--> statement-breakpoint
CREATE INDEX "contents_last_read" ON "contents" USING btree ("last_read_at","sha256") WHERE state = 'admitted';--> statement-breakpoint
CREATE INDEX "contents_condemned" ON "contents" USING btree ("condemned_at","sha256") WHERE state = 'condemned';--> statement-breakpoint
CREATE INDEX "leases_holder" ON "leases" USING btree ("holder");--> statement-breakpoint
CREATE INDEX "tokens_created" ON "tokens" USING btree ("created_at","id");