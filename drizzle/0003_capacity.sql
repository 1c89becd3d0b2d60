CREATE TABLE "blocks" (
	"sha256" text COLLATE "C" PRIMARY KEY NOT NULL,
	"reason" text NOT NULL,
	"blocked_by" text NOT NULL,
	"blocked_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "blocks_sha256" CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
--> statement-breakpoint
CREATE TABLE "capacity" (
	"single" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"settings" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"revision" integer DEFAULT 1 NOT NULL,
	"inflation" double precision DEFAULT 0 NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_by" text,
	CONSTRAINT "capacity_single" CHECK (single)
);
--> statement-breakpoint
CREATE TABLE "content_use" (
	"project" text COLLATE "C" NOT NULL,
	"origin" text COLLATE "C" NOT NULL,
	"class" text COLLATE "C" NOT NULL,
	"bytes" bigint NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "content_use_key" PRIMARY KEY("project","origin","class")
);
--> statement-breakpoint
CREATE TABLE "reservations" (
	"fence" bigint PRIMARY KEY NOT NULL,
	"holder" text COLLATE "C" NOT NULL,
	"bytes" bigint NOT NULL,
	"project" text COLLATE "C" DEFAULT '' NOT NULL,
	"origin" text COLLATE "C" DEFAULT '' NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "reservations_bytes" CHECK (bytes >= 0)
);
--> statement-breakpoint
ALTER TABLE "contents" DROP CONSTRAINT "contents_state";--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "hits" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "fetch_cost" double precision DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "value" double precision DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "project" text COLLATE "C" DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "origin" text COLLATE "C" DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "internal_refs" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "pin_reason" text;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "pinned_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "pinned_by" text;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "irreplaceable_since" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "scrubbed_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "replicas" ADD COLUMN "report" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
CREATE INDEX "reservations_holder" ON "reservations" USING btree ("holder");--> statement-breakpoint
CREATE INDEX "contents_value" ON "contents" USING btree ("value","last_read_at","sha256") WHERE state = 'admitted' and internal_refs = 0 and pin_reason is null and irreplaceable_since is null;--> statement-breakpoint
CREATE INDEX "contents_least_recent" ON "contents" USING btree ("last_read_at","sha256") WHERE state = 'admitted' and internal_refs = 0 and pin_reason is null and irreplaceable_since is null;--> statement-breakpoint
CREATE INDEX "contents_pin_ends" ON "contents" USING btree ("pinned_until") WHERE pinned_until is not null;--> statement-breakpoint
CREATE INDEX "contents_scrubbed" ON "contents" USING btree ("scrubbed_at" nulls first,"sha256") WHERE state = 'admitted';--> statement-breakpoint
ALTER TABLE "contents" ADD CONSTRAINT "contents_pin" CHECK ((pin_reason is null) = (pinned_by is null) and (pin_reason is not null or pinned_until is null));--> statement-breakpoint
ALTER TABLE "contents" ADD CONSTRAINT "contents_counts" CHECK (hits >= 0 and internal_refs >= 0);--> statement-breakpoint
ALTER TABLE "contents" ADD CONSTRAINT "contents_state" CHECK (state in ('admitted', 'condemned', 'quarantined'));--> statement-breakpoint
CREATE FUNCTION "public"."content_class"(c public.contents) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN c.state <> 'admitted' THEN c.state
		WHEN c.internal_refs > 0 THEN 'internal'
		WHEN c.pin_reason IS NOT NULL THEN 'pinned'
		WHEN c.irreplaceable_since IS NOT NULL THEN 'irreplaceable'
		ELSE 'cached'
	END
$$;--> statement-breakpoint
CREATE FUNCTION "public"."use_content"(c public.contents, times integer) RETURNS void LANGUAGE sql AS $$
	INSERT INTO public.content_use AS u (project, origin, class, bytes, count)
	VALUES (c.project, c.origin, public.content_class(c), c.size * times, times)
	ON CONFLICT (project, origin, class) DO UPDATE SET bytes = u.bytes + excluded.bytes, count = u.count + excluded.count
$$;--> statement-breakpoint
CREATE FUNCTION "public"."count_content"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN PERFORM public.use_content(OLD, -1); END IF;
	IF TG_OP <> 'DELETE' THEN PERFORM public.use_content(NEW, 1); END IF;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."count_internal"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' AND OLD.kind = 'internal' THEN
		UPDATE public.contents SET internal_refs = internal_refs - 1 WHERE sha256 = OLD.content_sha256;
	END IF;
	IF TG_OP <> 'DELETE' AND NEW.kind = 'internal' THEN
		UPDATE public.contents SET internal_refs = internal_refs + 1 WHERE sha256 = NEW.content_sha256;
	END IF;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."tell_block"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object('kind', 'block', 'sha256', coalesce(NEW.sha256, OLD.sha256)));
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."tell_capacity"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object('kind', 'capacity'));
	RETURN NULL;
END $$;--> statement-breakpoint
INSERT INTO "capacity" DEFAULT VALUES;--> statement-breakpoint
UPDATE "contents" SET "internal_refs" = n.refs FROM (
	SELECT content_sha256, count(*) AS refs FROM "blobs" WHERE kind = 'internal' GROUP BY content_sha256
) n WHERE n.content_sha256 = "contents"."sha256";--> statement-breakpoint
INSERT INTO "content_use" SELECT c.project, c.origin, content_class(c), sum(c.size), count(*) FROM "contents" c GROUP BY 1, 2, 3;--> statement-breakpoint
CREATE TRIGGER "contents_counted" AFTER INSERT OR DELETE OR UPDATE OF "state", "size", "project", "origin", "internal_refs", "pin_reason", "irreplaceable_since"
	ON "contents" FOR EACH ROW EXECUTE FUNCTION "public"."count_content"();--> statement-breakpoint
CREATE TRIGGER "blobs_internal_insert_counted" AFTER INSERT ON "blobs" FOR EACH ROW
	WHEN (NEW.kind = 'internal') EXECUTE FUNCTION "public"."count_internal"();--> statement-breakpoint
CREATE TRIGGER "blobs_internal_update_counted" AFTER UPDATE ON "blobs" FOR EACH ROW
	WHEN ((OLD.kind, OLD.content_sha256) IS DISTINCT FROM (NEW.kind, NEW.content_sha256)
		AND (OLD.kind = 'internal' OR NEW.kind = 'internal')) EXECUTE FUNCTION "public"."count_internal"();--> statement-breakpoint
CREATE TRIGGER "blobs_internal_delete_counted" AFTER DELETE ON "blobs" FOR EACH ROW
	WHEN (OLD.kind = 'internal') EXECUTE FUNCTION "public"."count_internal"();--> statement-breakpoint
CREATE TRIGGER "blocks_told" AFTER INSERT OR UPDATE OR DELETE ON "blocks" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_block"();--> statement-breakpoint
CREATE TRIGGER "capacity_told" AFTER UPDATE OF "settings", "revision" ON "capacity" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_capacity"();
