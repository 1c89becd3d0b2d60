CREATE TABLE "policies" (
	"version" integer PRIMARY KEY NOT NULL,
	"document" text NOT NULL,
	"made_by" text NOT NULL,
	"made_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"note" text DEFAULT '' NOT NULL,
	CONSTRAINT "policies_version" CHECK (version > 0),
	CONSTRAINT "policies_document" CHECK (document::json is not null)
);
--> statement-breakpoint
CREATE FUNCTION "public"."tell_policy"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.tell_change(json_build_object('kind', 'policy', 'version', NEW.version));
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "policies_told" AFTER INSERT ON "policies" FOR EACH ROW
	WHEN (current_setting('cistern.embedded', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION "public"."tell_policy"();
