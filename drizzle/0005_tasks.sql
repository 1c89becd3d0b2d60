CREATE TABLE "location_checks" (
	"blob_id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"url" text NOT NULL,
	"checked_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"delivers" boolean NOT NULL,
	"size" bigint,
	"validator" text
);
--> statement-breakpoint
CREATE TABLE "tasks" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"parent" text COLLATE "C",
	"place" text COLLATE "C",
	"query" jsonb NOT NULL,
	"state" text DEFAULT 'queued' NOT NULL,
	"cancel_requested" boolean DEFAULT false NOT NULL,
	"progress" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"result" jsonb,
	"error" text,
	"created_by" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	"holder" text COLLATE "C",
	"held_until" timestamp with time zone,
	CONSTRAINT "tasks_parent_place" UNIQUE("parent","place"),
	CONSTRAINT "tasks_kind" CHECK (kind in ('purge', 'scrub', 'scrub-hot', 'verify')),
	CONSTRAINT "tasks_state" CHECK (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
	CONSTRAINT "tasks_held" CHECK ((state = 'running') = (holder is not null) and (holder is null) = (held_until is null)),
	CONSTRAINT "tasks_finished" CHECK ((state in ('queued', 'running')) = (finished_at is null))
);
--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "revalidated_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "location_checks" ADD CONSTRAINT "location_checks_blob_id_blobs_id_fk" FOREIGN KEY ("blob_id") REFERENCES "public"."blobs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "tasks" ADD CONSTRAINT "tasks_parent_tasks_id_fk" FOREIGN KEY ("parent") REFERENCES "public"."tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "tasks_created" ON "tasks" USING btree ("created_at","id") WHERE parent is null;--> statement-breakpoint
CREATE INDEX "tasks_open" ON "tasks" USING btree ("kind","created_at") WHERE state in ('queued', 'running');--> statement-breakpoint
CREATE INDEX "contents_by_read" ON "contents" USING btree ("last_read_at","sha256");--> statement-breakpoint
CREATE INDEX "contents_by_size" ON "contents" USING btree ("size","sha256");--> statement-breakpoint
CREATE INDEX "contents_by_admission" ON "contents" USING btree ("admitted_at","sha256");--> statement-breakpoint
CREATE INDEX "contents_by_project" ON "contents" USING btree ("project","sha256");--> statement-breakpoint
CREATE INDEX "contents_by_origin" ON "contents" USING btree ("origin","sha256");--> statement-breakpoint
CREATE INDEX "contents_pinned" ON "contents" USING btree ("sha256") WHERE pin_reason is not null;--> statement-breakpoint
CREATE INDEX "contents_irreplaceable" ON "contents" USING btree ("sha256") WHERE irreplaceable_since is not null;--> statement-breakpoint
CREATE INDEX "contents_quarantined" ON "contents" USING btree ("sha256") WHERE state = 'quarantined';--> statement-breakpoint
CREATE INDEX "contents_revalidated" ON "contents" USING btree ("revalidated_at" nulls first,"sha256") WHERE state = 'admitted' and internal_refs = 0;--> statement-breakpoint
-- Which object it is about, and what has become of it: replicas drop copies of what is gone, and readers of what is damaged.
CREATE OR REPLACE FUNCTION "public"."tell_content"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object('kind', 'content', 'sha256', coalesce(NEW.sha256, OLD.sha256),
		'fence', coalesce(OLD.fence, NEW.fence), 'state', coalesce(NEW.state, 'gone')));
	RETURN NULL;
END $$;
