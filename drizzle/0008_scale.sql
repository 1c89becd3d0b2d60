ALTER TABLE "contents" DROP COLUMN "fetch_cost";--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "turns" smallint DEFAULT 1 NOT NULL;--> statement-breakpoint
CREATE TABLE "artifact_counts" (
	"owner" text COLLATE "C" NOT NULL,
	"type" text COLLATE "C" NOT NULL,
	"status" text NOT NULL,
	"visibility" text NOT NULL,
	"count" bigint NOT NULL,
	CONSTRAINT "artifact_counts_key" PRIMARY KEY("owner","type","status","visibility")
);
--> statement-breakpoint
DROP INDEX "artifacts_created";--> statement-breakpoint
DROP INDEX "artifacts_type_created";--> statement-breakpoint
DROP INDEX "artifacts_owner_created";--> statement-breakpoint
DROP INDEX "artifacts_name_created";--> statement-breakpoint
CREATE INDEX "artifact_counts_kind" ON "artifact_counts" USING btree ("status","visibility","type");--> statement-breakpoint
CREATE INDEX "artifacts_listed" ON "artifacts" USING btree ("status","visibility","created_at","id");--> statement-breakpoint
CREATE INDEX "artifacts_type_listed" ON "artifacts" USING btree ("type","status","visibility","created_at","id");--> statement-breakpoint
CREATE INDEX "artifacts_owner_listed" ON "artifacts" USING btree ("owner","status","visibility","created_at","id");--> statement-breakpoint
CREATE INDEX "artifacts_owner_type_listed" ON "artifacts" USING btree ("owner","type","status","visibility","created_at","id");--> statement-breakpoint
CREATE INDEX "artifacts_name_listed" ON "artifacts" USING btree ("name","status","visibility","created_at","id","type","owner");--> statement-breakpoint
CREATE INDEX "artifacts_tagged" ON "artifacts" USING gin ("tags");--> statement-breakpoint
DROP INDEX "contents_last_read";--> statement-breakpoint
DROP INDEX "contents_by_read";--> statement-breakpoint
DROP INDEX "contents_by_size";--> statement-breakpoint
DROP INDEX "contents_by_admission";--> statement-breakpoint
CREATE INDEX "contents_by_digest" ON "contents" USING btree ("sha256","project","origin","state","internal_refs","size","last_read_at");--> statement-breakpoint
CREATE INDEX "contents_by_read" ON "contents" USING btree ("last_read_at","sha256","project","origin","state","internal_refs","size");--> statement-breakpoint
CREATE INDEX "contents_by_size" ON "contents" USING btree ("size","sha256","project","origin","state","internal_refs","last_read_at");--> statement-breakpoint
CREATE INDEX "contents_by_admission" ON "contents" USING btree ("admitted_at","sha256","project","origin","state","internal_refs","size","last_read_at");--> statement-breakpoint
-- Once for each statement, so that many rows at once are one change; in one order, so that two statements do not wait for each other.
CREATE FUNCTION "public"."count_added_artifacts"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.artifact_counts AS c (owner, type, status, visibility, count)
	SELECT owner, type, status, visibility, count(*) FROM added GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
	ON CONFLICT (owner, type, status, visibility) DO UPDATE SET count = c.count + excluded.count;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."count_changed_artifacts"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.artifact_counts AS c (owner, type, status, visibility, count)
	SELECT owner, type, status, visibility, sum(n) FROM (
		SELECT owner, type, status, visibility, -1 AS n FROM gone
		UNION ALL SELECT owner, type, status, visibility, 1 FROM added
	) moved GROUP BY 1, 2, 3, 4 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4
	ON CONFLICT (owner, type, status, visibility) DO UPDATE SET count = c.count + excluded.count;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."count_gone_artifacts"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.artifact_counts AS c (owner, type, status, visibility, count)
	SELECT owner, type, status, visibility, -count(*) FROM gone GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
	ON CONFLICT (owner, type, status, visibility) DO UPDATE SET count = c.count + excluded.count;
	RETURN NULL;
END $$;--> statement-breakpoint
INSERT INTO "artifact_counts" SELECT owner, type, status, visibility, count(*) FROM "artifacts" GROUP BY 1, 2, 3, 4;--> statement-breakpoint
CREATE TRIGGER "artifacts_added_counted" AFTER INSERT ON "artifacts"
	REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "public"."count_added_artifacts"();--> statement-breakpoint
CREATE TRIGGER "artifacts_changed_counted" AFTER UPDATE ON "artifacts"
	REFERENCING OLD TABLE AS gone NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION "public"."count_changed_artifacts"();--> statement-breakpoint
CREATE TRIGGER "artifacts_gone_counted" AFTER DELETE ON "artifacts"
	REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "public"."count_gone_artifacts"();
