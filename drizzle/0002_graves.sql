CREATE TABLE "graves" (
	"artifact_id" text COLLATE "C" NOT NULL,
	"field" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"caller" text COLLATE "C" NOT NULL,
	"anew" boolean NOT NULL,
	"written_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "graves_place_caller" PRIMARY KEY("artifact_id","field","key","caller")
);
--> statement-breakpoint
CREATE INDEX "graves_written" ON "graves" USING btree ("written_at");--> statement-breakpoint
CREATE FUNCTION "public"."tell_grave"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object(
		'kind', 'grave', 'artifactId', NEW.artifact_id, 'field', NEW.field, 'key', NEW.key,
		'caller', NEW.caller, 'anew', NEW.anew));
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "graves_told" AFTER INSERT OR UPDATE ON "graves" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_grave"();
