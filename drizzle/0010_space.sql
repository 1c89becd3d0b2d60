ALTER TABLE "contents" ADD COLUMN "keep_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "contents" ADD COLUMN "drop_after" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "reservations" ADD COLUMN "key" text COLLATE "C" NOT NULL;--> statement-breakpoint
ALTER TABLE "reservations" ADD CONSTRAINT "reservations_key" UNIQUE("key");--> statement-breakpoint
DROP INDEX "contents_value";--> statement-breakpoint
DROP INDEX "contents_least_recent";--> statement-breakpoint
CREATE INDEX "contents_value" ON "contents" USING btree ("value","last_read_at","sha256") WHERE state = 'admitted' and internal_refs = 0 and pin_reason is null and irreplaceable_since is null and keep_until is null;--> statement-breakpoint
CREATE INDEX "contents_least_recent" ON "contents" USING btree ("last_read_at","sha256") WHERE state = 'admitted' and internal_refs = 0 and pin_reason is null and irreplaceable_since is null and keep_until is null;--> statement-breakpoint
CREATE INDEX "contents_keep_ends" ON "contents" USING btree ("keep_until") WHERE keep_until is not null;--> statement-breakpoint
CREATE INDEX "contents_value_of_project" ON "contents" USING btree ("project","value","last_read_at","sha256") WHERE state = 'admitted' and internal_refs = 0 and pin_reason is null and irreplaceable_since is null and keep_until is null;--> statement-breakpoint
CREATE INDEX "contents_value_of_origin" ON "contents" USING btree ("origin","value","last_read_at","sha256") WHERE state = 'admitted' and internal_refs = 0 and pin_reason is null and irreplaceable_since is null and keep_until is null;--> statement-breakpoint
CREATE INDEX "contents_drop_after" ON "contents" USING btree ("drop_after") WHERE state = 'admitted' and drop_after is not null;--> statement-breakpoint
-- What was admitted before there were values begins as if it had just been fetched: src/domain/eviction.ts.
UPDATE "contents" SET "hits" = 1, "value" = 1;--> statement-breakpoint
-- Counted once per statement, not per row: a statement that writes many rows of one account would leave as many
-- versions of its row, and always in one order: two such statements wait for each other, and never in a circle.
DROP TRIGGER "contents_counted" ON "contents";--> statement-breakpoint
DROP FUNCTION "public"."count_content"();--> statement-breakpoint
DROP FUNCTION "public"."use_content"(public.contents, integer);--> statement-breakpoint
CREATE FUNCTION "public"."class_of"(state text, internal_refs integer, pin_reason text, irreplaceable_since timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN state <> 'admitted' THEN state
		WHEN internal_refs > 0 THEN 'internal'
		WHEN pin_reason IS NOT NULL THEN 'pinned'
		WHEN irreplaceable_since IS NOT NULL THEN 'irreplaceable'
		ELSE 'cached'
	END
$$;--> statement-breakpoint
CREATE FUNCTION "public"."count_contents"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO public.content_use AS u (project, origin, class, bytes, count)
		SELECT c.project, c.origin, public.class_of(c.state, c.internal_refs, c.pin_reason, c.irreplaceable_since), sum(c.size), count(*)
		FROM written c GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
		ON CONFLICT (project, origin, class) DO UPDATE SET bytes = u.bytes + excluded.bytes, count = u.count + excluded.count;
	ELSIF TG_OP = 'DELETE' THEN
		INSERT INTO public.content_use AS u (project, origin, class, bytes, count)
		SELECT c.project, c.origin, public.class_of(c.state, c.internal_refs, c.pin_reason, c.irreplaceable_since), -sum(c.size), -count(*)
		FROM gone c GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
		ON CONFLICT (project, origin, class) DO UPDATE SET bytes = u.bytes + excluded.bytes, count = u.count + excluded.count;
	ELSE
		INSERT INTO public.content_use AS u (project, origin, class, bytes, count)
		SELECT d.project, d.origin, d.class, sum(d.bytes), sum(d.count) FROM (
			SELECT c.project, c.origin, public.class_of(c.state, c.internal_refs, c.pin_reason, c.irreplaceable_since) AS class, -c.size AS bytes, -1 AS count FROM gone c
			UNION ALL
			SELECT c.project, c.origin, public.class_of(c.state, c.internal_refs, c.pin_reason, c.irreplaceable_since), c.size, 1 FROM written c
		) d GROUP BY 1, 2, 3 HAVING sum(d.bytes) <> 0 OR sum(d.count) <> 0 ORDER BY 1, 2, 3
		ON CONFLICT (project, origin, class) DO UPDATE SET bytes = u.bytes + excluded.bytes, count = u.count + excluded.count;
	END IF;
	RETURN NULL;
END $$;--> statement-breakpoint
CREATE TRIGGER "contents_insert_counted" AFTER INSERT ON "contents" REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION "public"."count_contents"();--> statement-breakpoint
CREATE TRIGGER "contents_update_counted" AFTER UPDATE ON "contents" REFERENCING OLD TABLE AS gone NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION "public"."count_contents"();--> statement-breakpoint
CREATE TRIGGER "contents_delete_counted" AFTER DELETE ON "contents" REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "public"."count_contents"();--> statement-breakpoint
-- Why functions: whoever holds the lock of the capacity's row keeps the whole deployment's fetches
-- waiting. Here it is held for as long as the server takes, never for the way to a client and back.
-- In plpgsql, also where sql would do: its plans are kept.
CREATE FUNCTION "public"."open_objects"(own text[]) RETURNS text[] LANGUAGE plpgsql AS $$
-- What readers of living replicas have open (as src/catalog/replicas.ts tells), and those of the caller.
BEGIN
	RETURN own || ARRAY(SELECT unnest(r.open_objects) FROM public.replicas r WHERE r.seen_at > clock_timestamp() - interval '60 seconds');
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."space_taken"(alone boolean, open text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	taken bigint;
	read bigint := 0;
BEGIN
	-- One statement: an admission, which turns a reservation into content, is seen whole or not at all.
	SELECT coalesce((SELECT sum(u.bytes) FROM public.content_use u WHERE alone OR u.class <> 'condemned'), 0)
		+ coalesce((SELECT sum(r.bytes) FROM public.reservations r), 0) INTO taken;
	-- Among others what is condemned is as good as gone, unless somebody reads it.
	IF NOT alone AND cardinality(open) > 0 THEN
		SELECT coalesce(sum(c.size), 0) INTO read
		FROM (SELECT DISTINCT unnest(open) AS object) o
		JOIN public.contents c ON c.sha256 = split_part(o.object, '/', 1) COLLATE "C" AND c.fence::text = split_part(o.object, '/', 2)
		WHERE c.state = 'condemned';
	END IF;
	RETURN taken + read;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."space_limit"(settings jsonb, configured bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
	SELECT coalesce((settings ->> 'cache_bytes')::bigint, configured)
$$;--> statement-breakpoint
CREATE FUNCTION "public"."space_shares"(settings jsonb, space bigint, claim text) RETURNS TABLE (project text, origin text, used bigint, allowed bigint) LANGUAGE plpgsql AS $$
-- What projects and origins with a share occupy, the reservations of others than `claim` included.
BEGIN
	IF settings -> 'shares' IS NULL THEN RETURN; END IF;
	RETURN QUERY SELECT s.project, s.origin,
		(coalesce((SELECT sum(u.bytes) FROM public.content_use u
			WHERE u.class <> 'condemned' AND (u.project = s.project COLLATE "C" OR u.origin = s.origin COLLATE "C")), 0)
		+ coalesce((SELECT sum(r.bytes) FROM public.reservations r
			WHERE r.key <> claim COLLATE "C" AND (r.project = s.project COLLATE "C" OR r.origin = s.origin COLLATE "C")), 0))::bigint,
		floor(s.part * space)::bigint
	FROM jsonb_to_recordset(settings -> 'shares') AS s(project text, origin text, part double precision);
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."end_pins"() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	ends timestamptz;
BEGIN
	-- Looked for in the order of an index, which is read up to what has not ended: no index serves a comparison with a
	-- clock, and a statement that writes no row costs its triggers as well.
	SELECT c.pinned_until INTO ends FROM public.contents c WHERE c.pinned_until IS NOT NULL ORDER BY c.pinned_until LIMIT 1;
	IF ends <= clock_timestamp() THEN
		UPDATE public.contents SET pin_reason = NULL, pinned_until = NULL, pinned_by = NULL WHERE sha256 IN (
			SELECT c.sha256 FROM public.contents c WHERE c.pinned_until <= clock_timestamp() FOR UPDATE SKIP LOCKED);
	END IF;
	SELECT c.keep_until INTO ends FROM public.contents c WHERE c.keep_until IS NOT NULL ORDER BY c.keep_until LIMIT 1;
	IF ends IS NULL OR ends > clock_timestamp() THEN RETURN; END IF;
	-- What is kept for its least age is not among what may go: however much that is, nobody looks at it. A few at a
	-- time, the oldest first; more than are needed at once.
	UPDATE public.contents SET keep_until = NULL WHERE sha256 IN (
		SELECT c.sha256 FROM public.contents c WHERE c.keep_until IS NOT NULL AND c.keep_until <= clock_timestamp()
		ORDER BY c.keep_until LIMIT 1000 FOR UPDATE SKIP LOCKED);
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."least_valuable"(scope text, name text, lru boolean, need bigint, most integer, open text[])
RETURNS TABLE (sha256 text, fence bigint, size bigint, value double precision) LANGUAGE plpgsql AS $$
-- Contents that may go, locked, those that are worth least first, until they have `need` bytes together or are
-- `most`. It waits for nobody: whatever another transaction holds is in use, and is passed over.
DECLARE
	c record;
	freed bigint := 0;
	refs bigint;
	held bigint;
BEGIN
	IF need <= 0 OR most <= 0 THEN RETURN; END IF;
	FOR c IN EXECUTE format($query$
		SELECT c.sha256, c.fence, c.size, c.value FROM public.contents c
		WHERE c.state = 'admitted' AND c.internal_refs = 0 AND c.pin_reason IS NULL AND c.irreplaceable_since IS NULL
			AND c.keep_until IS NULL
			AND c.sha256 || '/' || c.fence <> ALL ($1) %s
		ORDER BY %s LIMIT $3 FOR UPDATE SKIP LOCKED $query$,
		CASE scope
			WHEN 'project' THEN 'AND c.project = $2 COLLATE "C"'
			WHEN 'origin' THEN 'AND c.origin = $2 COLLATE "C"'
			WHEN 'old' THEN 'AND c.drop_after <= $4'
			ELSE '' END,
		CASE WHEN scope = 'old' THEN 'c.drop_after' WHEN lru THEN 'c.last_read_at, c.sha256' ELSE 'c.value, c.last_read_at, c.sha256' END)
		USING open, name, most, clock_timestamp()
	LOOP
		SELECT count(*) INTO refs FROM public.blobs b WHERE b.content_sha256 = c.sha256;
		PERFORM 1 FROM public.blobs b WHERE b.content_sha256 = c.sha256 FOR UPDATE SKIP LOCKED;
		GET DIAGNOSTICS held = ROW_COUNT;
		CONTINUE WHEN held < refs;
		sha256 := c.sha256; fence := c.fence; size := c.size; value := c.value;
		RETURN NEXT;
		freed := freed + c.size;
		EXIT WHEN freed >= need;
	END LOOP;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."condemn_all"(victims jsonb) RETURNS void LANGUAGE plpgsql AS $$
-- Digests stay recorded on the blobs (I10).
DECLARE
	names text[] := ARRAY(SELECT v ->> 'sha256' FROM jsonb_array_elements(victims) v);
BEGIN
	IF cardinality(names) = 0 THEN RETURN; END IF;
	-- A row that comes back after a crash would name an object that is gone.
	PERFORM set_config('synchronous_commit', 'on', true);
	UPDATE public.blobs SET content_sha256 = NULL WHERE content_sha256 = ANY (names COLLATE "C");
	UPDATE public.contents SET state = 'condemned', condemned_at = clock_timestamp() WHERE sha256 = ANY (names COLLATE "C");
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."choose_victims"(scope text, name text, settings jsonb, need bigint, most integer, open text[], whole boolean)
RETURNS jsonb LANGUAGE plpgsql AS $$
-- Condemns the least valuable contents of `scope` that have `need` bytes together; answers them. `whole`: when there
-- are not so many bytes, nothing goes for it, unless `most` stands in the way.
DECLARE
	lru boolean := coalesce(settings ->> 'eviction', 'gdsf') = 'lru';
	victims jsonb;
	freed bigint;
BEGIN
	SELECT coalesce(jsonb_agg(jsonb_build_object('sha256', v.sha256, 'fence', v.fence, 'size', v.size, 'value', v.value)), '[]'), coalesce(sum(v.size), 0)
	INTO victims, freed FROM public.least_valuable(scope, name, lru, need, most, open) v;
	IF whole AND freed < need AND jsonb_array_length(victims) < most THEN RETURN '[]'; END IF;
	PERFORM public.condemn_all(victims);
	IF scope = 'all' AND jsonb_array_length(victims) > 0 THEN
		UPDATE public.capacity SET inflation = greatest(inflation, (SELECT max((v ->> 'value')::double precision) FROM jsonb_array_elements(victims) v));
	END IF;
	RETURN victims;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."bytes_of"(victims jsonb) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN coalesce((SELECT sum((v ->> 'size')::bigint) FROM jsonb_array_elements(victims) v), 0)::bigint;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."evict_bytes"(settings jsonb, space bigint, claim text, need bigint, most integer, open text[], whole boolean)
RETURNS jsonb LANGUAGE plpgsql AS $$
-- Whoever occupies more than its share gives first, down to the share.
DECLARE
	victims jsonb := '[]';
	s record;
BEGIN
	FOR s IN SELECT * FROM public.space_shares(settings, space, claim) h WHERE h.used > h.allowed ORDER BY h.used - h.allowed DESC LOOP
		EXIT WHEN public.bytes_of(victims) >= need OR jsonb_array_length(victims) >= most;
		victims := victims || public.choose_victims(
			CASE WHEN s.project IS NULL THEN 'origin' ELSE 'project' END, coalesce(s.project, s.origin), settings,
			least(need - public.bytes_of(victims), s.used - s.allowed), most - jsonb_array_length(victims), open, false);
	END LOOP;
	IF public.bytes_of(victims) < need AND jsonb_array_length(victims) < most THEN
		victims := victims || public.choose_victims('all', '', settings, need - public.bytes_of(victims), most - jsonb_array_length(victims), open, whole);
	END IF;
	RETURN victims;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."going_bytes"(alone boolean, open text[]) RETURNS bigint LANGUAGE plpgsql AS $$
-- Condemned, still counted, and nobody reads it: it goes as soon as its object is removed.
BEGIN
	IF NOT alone THEN RETURN 0; END IF;
	RETURN coalesce((SELECT sum(c.size) FROM public.contents c WHERE c.state = 'condemned' AND c.sha256 || '/' || c.fence <> ALL (open)), 0)::bigint;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."reserve_space"(claim text, claim_fence bigint, claim_holder text, claim_project text, claim_origin text,
	wanted bigint, configured bigint, alone boolean, own_open text[], most integer) RETURNS jsonb LANGUAGE plpgsql AS $$
-- Sets what is reserved under `claim` to `wanted` bytes: see src/domain/space.ts.
DECLARE
	settings jsonb;
	space bigint;
	open text[];
	own bigint := 0;
	own_fence bigint := 0;
	short bigint;
	need bigint;
	whose record;
	victims jsonb := '[]';
BEGIN
	-- What a crash loses of it belongs to a process that is dead.
	IF alone THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
	SELECT c.settings INTO settings FROM public.capacity c FOR UPDATE;
	SELECT r.bytes, r.fence INTO own, own_fence FROM public.reservations r WHERE r.key = claim COLLATE "C";
	IF own_fence > claim_fence THEN RETURN jsonb_build_object('outcome', 'lost', 'victims', victims); END IF;
	own := coalesce(own, 0);
	space := public.space_limit(settings, configured);
	open := public.open_objects(own_open);
	short := public.space_taken(alone, open) - own + wanted - space;
	-- Whoever wants less than it has gets that, also when a limit was lowered.
	IF wanted > own AND short > 0 THEN
		IF wanted > space THEN RETURN jsonb_build_object('outcome', 'full', 'victims', victims); END IF;
		PERFORM public.end_pins();
		need := short - public.going_bytes(alone, open);
		IF need > 0 THEN
			-- Whoever would occupy more than its share makes room among its own.
			SELECT * INTO whose FROM public.space_shares(settings, space, claim) h
			WHERE (h.project = claim_project OR h.origin = claim_origin) AND h.used + wanted > h.allowed ORDER BY h.project NULLS LAST LIMIT 1;
			IF FOUND THEN
				victims := public.choose_victims(CASE WHEN whose.project IS NULL THEN 'origin' ELSE 'project' END,
					coalesce(whose.project, whose.origin), settings, need, most, open, true);
			ELSE
				victims := public.evict_bytes(settings, space, claim, need, most, open, true);
			END IF;
			IF jsonb_array_length(victims) = 0 THEN RETURN jsonb_build_object('outcome', 'full', 'victims', victims); END IF;
		END IF;
		IF alone THEN RETURN jsonb_build_object('outcome', 'going', 'victims', victims); END IF;
		IF public.space_taken(alone, open) - own + wanted > space THEN
			RETURN jsonb_build_object('outcome', CASE WHEN jsonb_array_length(victims) >= most THEN 'going' ELSE 'full' END, 'victims', victims);
		END IF;
	END IF;
	INSERT INTO public.reservations AS r (key, fence, holder, bytes, project, origin)
	VALUES (claim, claim_fence, claim_holder, wanted, claim_project, claim_origin)
	ON CONFLICT (key) DO UPDATE SET fence = excluded.fence, holder = excluded.holder, bytes = excluded.bytes;
	RETURN jsonb_build_object('outcome', 'granted', 'victims', victims);
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."release_space"(own_fence bigint, alone boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF alone THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
	DELETE FROM public.reservations r WHERE r.fence = own_fence;
END $$;--> statement-breakpoint
CREATE FUNCTION "public"."evict_space"(wanted bigint, going boolean, configured bigint, alone boolean, own_open text[], most integer) RETURNS jsonb LANGUAGE plpgsql AS $$
-- One page of eviction in the background: `wanted` bytes, or, when that is null, what is too old, and everything down to
-- the low watermark once there is more than the high one allows (`going`: it was found to be more before).
DECLARE
	settings jsonb;
	space bigint;
	open text[];
	taken bigint;
	high double precision;
	low double precision;
	need bigint := wanted;
	victims jsonb := '[]';
BEGIN
	SELECT c.settings INTO settings FROM public.capacity c FOR UPDATE;
	space := public.space_limit(settings, configured);
	open := public.open_objects(own_open);
	PERFORM public.end_pins();
	IF wanted IS NULL THEN
		victims := public.choose_victims('old', '', settings, 9223372036854775807, most, open, false);
		high := coalesce((settings ->> 'high_watermark')::double precision, 0.95);
		low := coalesce((settings ->> 'low_watermark')::double precision, least(0.9, high));
		taken := public.space_taken(alone, open) - public.going_bytes(alone, open);
		need := CASE WHEN going OR taken > floor(space * high) THEN taken - floor(space * low)::bigint ELSE 0 END;
	END IF;
	IF need > 0 AND jsonb_array_length(victims) < most THEN
		victims := victims || public.evict_bytes(settings, space, '', need, most - jsonb_array_length(victims), open, false);
	END IF;
	RETURN jsonb_build_object('more', need > 0 AND jsonb_array_length(victims) > 0, 'victims', victims);
END $$;
