CREATE TABLE "fills" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"state" text NOT NULL,
	"priority" smallint NOT NULL,
	"parent" text COLLATE "C",
	"artifact_id" text COLLATE "C" NOT NULL,
	"field" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"type" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"source" text NOT NULL,
	"origin" text COLLATE "C" NOT NULL,
	"project" text COLLATE "C" NOT NULL,
	"asked_by" text COLLATE "C" NOT NULL,
	"via" text NOT NULL,
	"query" jsonb,
	"not_before" timestamp with time zone,
	"deadline" timestamp with time zone,
	"pin_for_ms" bigint,
	"ready_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"holder" text COLLATE "C",
	"claimed_until" timestamp with time zone,
	"cancel" text,
	"bytes" bigint DEFAULT 0 NOT NULL,
	"total" bigint,
	"rate" bigint DEFAULT 0 NOT NULL,
	"followers" integer DEFAULT 0 NOT NULL,
	"error_code" text,
	"error_message" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	CONSTRAINT "fills_kind" CHECK (kind in ('prefetch', 'query', 'demand')),
	CONSTRAINT "fills_state" CHECK (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
	CONSTRAINT "fills_priority" CHECK (priority between 0 and 9),
	CONSTRAINT "fills_cancel" CHECK (cancel in ('asked', 'forced')),
	CONSTRAINT "fills_claimed" CHECK ((state = 'running') = (claimed_until is not null)),
	CONSTRAINT "fills_ended" CHECK ((state in ('done', 'failed', 'cancelled')) = (ended_at is not null)),
	CONSTRAINT "fills_query" CHECK ((kind = 'query') = (query is not null))
);
--> statement-breakpoint
CREATE UNIQUE INDEX "fills_blob_waits" ON "fills" USING btree ("artifact_id","field","key") WHERE kind = 'prefetch' and state in ('queued', 'running');--> statement-breakpoint
CREATE UNIQUE INDEX "fills_blob_failed" ON "fills" USING btree ("artifact_id","field","key") WHERE kind = 'demand' and state = 'failed';--> statement-breakpoint
CREATE INDEX "fills_next" ON "fills" USING btree ("kind","project","priority" desc,"created_at","id") WHERE state = 'queued';--> statement-breakpoint
CREATE INDEX "fills_running" ON "fills" USING btree ("holder") WHERE state = 'running';--> statement-breakpoint
CREATE INDEX "fills_deadline" ON "fills" USING btree ("deadline") WHERE state = 'queued' and deadline is not null;--> statement-breakpoint
CREATE INDEX "fills_parent" ON "fills" USING btree ("parent","state") WHERE parent is not null;--> statement-breakpoint
CREATE INDEX "fills_ended_at" ON "fills" USING btree ("ended_at","id") WHERE ended_at is not null;--> statement-breakpoint
CREATE INDEX "fills_created" ON "fills" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "fills_project_created" ON "fills" USING btree ("project","created_at","id");--> statement-breakpoint
CREATE INDEX "fills_state_created" ON "fills" USING btree ("state","created_at","id");--> statement-breakpoint
CREATE INDEX "fills_origin_created" ON "fills" USING btree ("origin","created_at","id");--> statement-breakpoint
CREATE INDEX "fills_artifact_created" ON "fills" USING btree ("artifact_id","created_at","id");--> statement-breakpoint
CREATE INDEX "fills_kind_created" ON "fills" USING btree ("kind","created_at","id");--> statement-breakpoint
CREATE INDEX "fills_replica_created" ON "fills" USING btree (split_part(holder, '#', 1),"created_at","id");--> statement-breakpoint
CREATE FUNCTION "public"."tell_fill"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object('kind', 'fill', 'id', NEW.id));
	RETURN NULL;
END $$;--> statement-breakpoint
-- Only what makes somebody else act: something new to do, or something to stop. Progress tells nothing.
CREATE TRIGGER "fills_asked_told" AFTER INSERT ON "fills" FOR EACH ROW
	WHEN (NEW.state <> 'failed' AND NEW.parent IS NULL AND current_setting('cistern.embedded', true) IS DISTINCT FROM 'on')
	EXECUTE FUNCTION "public"."tell_fill"();--> statement-breakpoint
CREATE TRIGGER "fills_changed_told" AFTER UPDATE OF "cancel", "priority", "ready_at" ON "fills" FOR EACH ROW
	WHEN ((OLD.cancel IS DISTINCT FROM NEW.cancel OR OLD.priority < NEW.priority OR OLD.ready_at > NEW.ready_at)
		AND current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_fill"();
