CREATE TABLE "superseded" (
	"sha256" text COLLATE "C" NOT NULL,
	"fence" bigint NOT NULL,
	"size" bigint NOT NULL,
	"superseded_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "superseded_key" PRIMARY KEY("sha256","fence")
);
--> statement-breakpoint
-- Content that comes back while its object is on its way out, or quarantined, lies under a new object: the one before
-- would otherwise be named by nothing, and stay in the store for ever.
CREATE FUNCTION "public"."keep_superseded"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.superseded (sha256, fence, size) VALUES (OLD.sha256, OLD.fence, OLD.size) ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "contents_superseded" AFTER UPDATE OF "fence" ON "contents" FOR EACH ROW
	WHEN (OLD.fence <> NEW.fence) EXECUTE FUNCTION "public"."keep_superseded"();--> statement-breakpoint
-- As 0010_space has them, with what was superseded counted as what is condemned is.
CREATE OR REPLACE FUNCTION "public"."space_taken"(alone boolean, open text[]) RETURNS bigint LANGUAGE sql AS $$
	-- One statement: an admission, which turns a reservation into content, is seen whole or not at all.
	SELECT (
		coalesce((SELECT sum(u.bytes) FROM public.content_use u WHERE alone OR u.class <> 'condemned'), 0)
		+ coalesce((SELECT sum(r.bytes) FROM public.reservations r), 0)
		-- Among others what is on its way out is as good as gone, unless somebody reads it.
		+ CASE WHEN alone THEN coalesce((SELECT sum(s.size) FROM public.superseded s), 0) ELSE coalesce((
			SELECT sum(gone.size)
			FROM (SELECT DISTINCT unnest(open) AS object) o
			JOIN (
				SELECT c.sha256, c.fence, c.size FROM public.contents c WHERE c.state = 'condemned'
				UNION ALL SELECT s.sha256, s.fence, s.size FROM public.superseded s
			) gone ON gone.sha256 = split_part(o.object, '/', 1) COLLATE "C" AND gone.fence::text = split_part(o.object, '/', 2)
		), 0) END
	)::bigint
$$;--> statement-breakpoint
CREATE OR REPLACE FUNCTION "public"."going_bytes"(alone boolean, open text[]) RETURNS bigint LANGUAGE sql AS $$
	-- On its way out, still counted, and nobody reads it: it goes as soon as its object is removed.
	SELECT CASE WHEN NOT alone THEN 0 ELSE
		CASE WHEN EXISTS (SELECT FROM public.content_use u WHERE u.class = 'condemned' AND u.bytes > 0)
			THEN coalesce((SELECT sum(c.size) FROM public.contents c WHERE c.state = 'condemned' AND c.sha256 || '/' || c.fence <> ALL (open)), 0)
			ELSE 0 END
		+ coalesce((SELECT sum(s.size) FROM public.superseded s WHERE s.sha256 || '/' || s.fence <> ALL (open)), 0)
	END::bigint
$$;
