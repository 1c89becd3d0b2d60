CREATE TABLE "deployment" (
	"single" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" text DEFAULT gen_random_uuid()::text NOT NULL,
	CONSTRAINT "deployment_single" CHECK (single)
);
--> statement-breakpoint
CREATE TABLE "replicas" (
	"holder" text COLLATE "C" PRIMARY KEY NOT NULL,
	"open_objects" text[] NOT NULL,
	"started_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"seen_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
INSERT INTO "deployment" DEFAULT VALUES;--> statement-breakpoint
-- What is committed is told to every process that listens. The embedded catalog has none
-- (cistern.embedded is on there), and a notification costs each commit a lock.
CREATE FUNCTION "public"."tell_change"(change json) RETURNS void LANGUAGE sql AS $$
	-- 8000 bytes are the limit of a payload; past it only a commit that fails would tell.
	SELECT pg_notify('cistern', CASE WHEN octet_length(change::text) < 8000 THEN change::text ELSE '{"kind":"unknown"}' END)
$$;--> statement-breakpoint
CREATE FUNCTION "public"."tell_artifact"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object('kind', 'artifact', 'id', OLD.id));
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."tell_blob"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object(
		'kind', 'blob', 'artifactId', NEW.artifact_id, 'field', NEW.field, 'key', NEW.key));
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."tell_blob_removed"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object(
		'kind', 'blob-removed', 'id', OLD.id, 'artifactId', OLD.artifact_id, 'field', OLD.field, 'key', OLD.key));
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."tell_content"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object('kind', 'content', 'sha256', coalesce(NEW.sha256, OLD.sha256)));
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."tell_token"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object('kind', 'token', 'id', OLD.id));
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "artifacts_told" AFTER UPDATE OR DELETE ON "artifacts" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_artifact"();--> statement-breakpoint
CREATE TRIGGER "blobs_insert_told" AFTER INSERT ON "blobs" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_blob"();--> statement-breakpoint
CREATE TRIGGER "blobs_update_told" AFTER UPDATE ON "blobs" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_blob"();--> statement-breakpoint
CREATE TRIGGER "blobs_delete_told" AFTER DELETE ON "blobs" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_blob_removed"();--> statement-breakpoint
CREATE TRIGGER "contents_told" AFTER INSERT OR DELETE OR UPDATE OF "fence", "state" ON "contents" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_content"();--> statement-breakpoint
CREATE TRIGGER "tokens_told" AFTER UPDATE OR DELETE ON "tokens" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_token"();
