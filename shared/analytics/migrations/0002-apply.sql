-- How the sync writes. It copies a batch into temporary tables of its session and then calls, for each poll in a
-- transaction of its own, `apply`.

CREATE FUNCTION analytics.stage() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CREATE TEMPORARY TABLE IF NOT EXISTS staged_polls (poll_id text PRIMARY KEY, version bigint, tenant text, question text,
        kind text, identity text, results text, created_at timestamptz, opens_at timestamptz, closes_at timestamptz,
        ballots bigint, as_of timestamptz, is_final boolean, votes bigint[]);
    CREATE TEMPORARY TABLE IF NOT EXISTS staged_options (poll_id text, option_id smallint, label text, votes bigint,
        PRIMARY KEY (poll_id, option_id));
    CREATE TEMPORARY TABLE IF NOT EXISTS staged_segments (poll_id text, dimension text, value text, ballots bigint,
        votes bigint[], PRIMARY KEY (poll_id, dimension, value));
    CREATE TEMPORARY TABLE IF NOT EXISTS staged_history (poll_id text, minute timestamptz, tenant text, version bigint,
        as_of timestamptz, ballots bigint, ballots_before bigint, votes bigint[]);
    TRUNCATE staged_polls, staged_options, staged_segments, staged_history;
END
$$;

-- Replaces all that is stored of a poll by what is staged, if that is newer. Returns 'written', 'older' or 'deleted'.
-- Twice the same, or an older reading after a newer one, changes nothing.
CREATE FUNCTION analytics.apply(wanted text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    staged record;
    stored analytics.polls;
    new_minute timestamptz;
    before bigint;
    is_new boolean;
BEGIN
    SELECT * INTO STRICT staged FROM pg_temp.staged_polls s WHERE s.poll_id = wanted;
    INSERT INTO analytics.polls (poll_id, version, tenant, question, kind, identity, results, created_at, ballots, is_final)
        VALUES (wanted, -1, staged.tenant, '', staged.kind, staged.identity, staged.results, staged.created_at, 0, false)
        ON CONFLICT (poll_id) DO NOTHING;
    SELECT * INTO STRICT stored FROM analytics.polls p WHERE p.poll_id = wanted FOR UPDATE;
    IF stored.deleted_at IS NOT NULL THEN
        RETURN 'deleted';
    ELSIF stored.version >= staged.version THEN
        RETURN 'older';
    END IF;

    -- as_of never goes down but by a repair of the counts; the history goes on from where it is then.
    new_minute := greatest(date_trunc('minute', staged.as_of), stored.minute);
    is_new := stored.minute IS NULL OR new_minute > stored.minute;
    before := CASE WHEN stored.minute IS NULL THEN 0 WHEN is_new THEN stored.ballots ELSE stored.ballots_before END;

    UPDATE analytics.polls p SET version = staged.version, tenant = staged.tenant, question = staged.question,
        kind = staged.kind, identity = staged.identity, results = staged.results, created_at = staged.created_at,
        opens_at = staged.opens_at, closes_at = staged.closes_at, ballots = staged.ballots, as_of = staged.as_of,
        is_final = staged.is_final, minute = new_minute,
        ballots_before = CASE WHEN new_minute IS NULL THEN NULL ELSE before END
        WHERE p.poll_id = wanted;

    DELETE FROM analytics.option_counts o WHERE o.poll_id = wanted;
    INSERT INTO analytics.option_counts (poll_id, option_id, tenant, label, votes)
        SELECT s.poll_id, s.option_id, staged.tenant, s.label, s.votes FROM pg_temp.staged_options s WHERE s.poll_id = wanted;
    DELETE FROM analytics.segment_counts c WHERE c.poll_id = wanted;
    INSERT INTO analytics.segment_counts (poll_id, dimension, value, tenant, ballots, votes)
        SELECT s.poll_id, s.dimension, s.value, staged.tenant, s.ballots, s.votes
        FROM pg_temp.staged_segments s WHERE s.poll_id = wanted;

    -- What was counted before the oldest month that is kept has no place in the history any more.
    IF new_minute >= analytics.first_minute() THEN
        INSERT INTO analytics.count_history (poll_id, minute, tenant, version, as_of, ballots, ballots_before, votes)
            VALUES (wanted, new_minute, staged.tenant, staged.version, coalesce(staged.as_of, new_minute), staged.ballots,
                before, staged.votes)
            ON CONFLICT (poll_id, minute) DO UPDATE SET tenant = EXCLUDED.tenant, version = EXCLUDED.version,
                as_of = EXCLUDED.as_of, ballots = EXCLUDED.ballots, ballots_before = EXCLUDED.ballots_before,
                votes = EXCLUDED.votes;
    END IF;
    -- With a poll goes its history.
    IF stored.tenant <> staged.tenant THEN
        UPDATE analytics.count_history h SET tenant = staged.tenant WHERE h.poll_id = wanted AND h.tenant <> staged.tenant;
    END IF;
    RETURN 'written';
END
$$;

-- The first minute that the history has a partition for.
CREATE FUNCTION analytics.first_minute() RETURNS timestamptz LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(month)::timestamp AT TIME ZONE 'UTC' FROM analytics.months WHERE detached_at IS NULL
$$;

-- Leaves of a poll a row that no reading overwrites.
CREATE FUNCTION analytics.delete(wanted text, at timestamptz) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stored analytics.polls;
BEGIN
    INSERT INTO analytics.polls (poll_id, version, deleted_at) VALUES (wanted, -1, at) ON CONFLICT (poll_id) DO NOTHING;
    SELECT * INTO STRICT stored FROM analytics.polls p WHERE p.poll_id = wanted FOR UPDATE;
    IF stored.deleted_at IS NOT NULL THEN
        RETURN;
    END IF;
    DELETE FROM analytics.option_counts o WHERE o.poll_id = wanted;
    DELETE FROM analytics.segment_counts s WHERE s.poll_id = wanted;
    DELETE FROM analytics.count_history h WHERE h.poll_id = wanted;
    UPDATE analytics.polls p SET deleted_at = at, tenant = NULL, question = NULL, kind = NULL, identity = NULL, results = NULL,
        created_at = NULL, opens_at = NULL, closes_at = NULL, ballots = NULL, as_of = NULL, is_final = NULL, minute = NULL,
        ballots_before = NULL
        WHERE p.poll_id = wanted;
END
$$;

-- Rows of the history that were kept elsewhere, such as after a restore: the greater version wins. Returns how many.
CREATE FUNCTION analytics.reload_history() RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    INSERT INTO analytics.count_history AS h (poll_id, minute, tenant, version, as_of, ballots, ballots_before, votes)
        SELECT poll_id, minute, tenant, version, as_of, ballots, ballots_before, votes FROM pg_temp.staged_history
        ON CONFLICT (poll_id, minute) DO UPDATE SET tenant = EXCLUDED.tenant, version = EXCLUDED.version,
            as_of = EXCLUDED.as_of, ballots = EXCLUDED.ballots, ballots_before = EXCLUDED.ballots_before,
            votes = EXCLUDED.votes
        WHERE h.version < EXCLUDED.version;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

GRANT EXECUTE ON FUNCTION analytics.stage(), analytics.apply(text), analytics.first_minute(),
    analytics.delete(text, timestamptz), analytics.reload_history() TO landslide_sync;
