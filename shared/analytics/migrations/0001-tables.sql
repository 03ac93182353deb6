-- Tables, and who may see which of their rows.

CREATE SCHEMA analytics_archive;
COMMENT ON SCHEMA analytics_archive IS 'Months of count_history that were detached, to be dumped and dropped.';
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA analytics_archive TO landslide_analyst;

CREATE TABLE analytics.polls (
    poll_id text COLLATE "C" PRIMARY KEY,
    -- The sum of its lanes' versions, plus its revision, plus 1 once it is final: of two readings the later has the greater.
    version bigint NOT NULL,
    deleted_at timestamptz,
    -- Absent in the row that a deletion leaves, as is all that follows.
    tenant text CHECK (tenant <> ''),
    question text,
    kind text,
    identity text,
    results text,
    created_at timestamptz,
    opens_at timestamptz,
    closes_at timestamptz,
    -- What is counted.
    ballots bigint CHECK (ballots >= 0),
    as_of timestamptz,
    is_final boolean,
    -- The key of its newest row in count_history, and the ballots of the row before that.
    minute timestamptz,
    ballots_before bigint,
    CHECK (deleted_at IS NOT NULL OR num_nulls(tenant, question, kind, identity, results, created_at, ballots, is_final) = 0),
    CHECK (deleted_at IS NULL OR num_nonnulls(tenant, question, kind, identity, results, created_at, opens_at, closes_at,
        ballots, as_of, is_final, minute, ballots_before) = 0)
);
COMMENT ON TABLE analytics.polls IS 'A row a poll: its settings, and how many ballots it has.';
CREATE INDEX polls_by_tenant ON analytics.polls (tenant, created_at);

CREATE TABLE analytics.option_counts (
    poll_id text COLLATE "C" NOT NULL REFERENCES analytics.polls,
    option_id smallint NOT NULL,
    tenant text NOT NULL,
    label text NOT NULL,
    votes bigint NOT NULL,
    PRIMARY KEY (poll_id, option_id)
);
COMMENT ON TABLE analytics.option_counts IS 'A row for each option of a poll: its label, and the votes that name it.';

CREATE TABLE analytics.segment_counts (
    poll_id text COLLATE "C" NOT NULL REFERENCES analytics.polls,
    dimension text NOT NULL,
    -- Empty for voters who have none of the dimension's values.
    value text NOT NULL,
    tenant text NOT NULL,
    ballots bigint NOT NULL,
    -- By option id. Empty in a poll of texts.
    votes bigint[] NOT NULL,
    PRIMARY KEY (poll_id, dimension, value)
);
COMMENT ON TABLE analytics.segment_counts IS 'A row for each value of a poll''s dimensions, as its tenant sees it.';
CREATE INDEX segment_counts_by_dimension ON analytics.segment_counts (tenant, dimension);

CREATE TABLE analytics.count_history (
    poll_id text COLLATE "C" NOT NULL,
    -- The minute, in UTC, of the newest vote that is counted here.
    minute timestamptz NOT NULL,
    tenant text NOT NULL,
    version bigint NOT NULL,
    as_of timestamptz NOT NULL,
    ballots bigint NOT NULL,
    -- The ballots of the poll's row before, 0 in its first. So the sum of (ballots - ballots_before) over any time is what
    -- was added in it, and no row outside it is read.
    ballots_before bigint NOT NULL,
    -- By option id. Empty in a poll of texts.
    votes bigint[] NOT NULL,
    PRIMARY KEY (poll_id, minute)
) PARTITION BY RANGE (minute);
COMMENT ON TABLE analytics.count_history IS 'A row for each poll and minute in which votes were counted. Partitioned by month and poll.';
CREATE INDEX count_history_by_tenant ON analytics.count_history (tenant, minute);

CREATE TABLE analytics.months (
    month date PRIMARY KEY CHECK (extract(day FROM month) = 1),
    detached_at timestamptz
);
COMMENT ON TABLE analytics.months IS 'The months of count_history.';

CREATE TABLE analytics.state (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    read_at timestamptz NOT NULL
);
COMMENT ON TABLE analytics.state IS 'Until when changes are in these tables: what the replica does not show yet is younger.';

-- Row-level security. FORCE binds the owner too, which has no policy: through it nobody reads a row.
DO $$
DECLARE
    one text;
BEGIN
    FOREACH one IN ARRAY ARRAY['polls', 'option_counts', 'segment_counts', 'count_history'] LOOP
        EXECUTE format('ALTER TABLE analytics.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', one);
        -- Without the setting, and after the transaction that had it (then it is empty), no row has this tenant.
        EXECUTE format('CREATE POLICY of_tenant ON analytics.%I FOR SELECT TO landslide_api
            USING (tenant = nullif(current_setting(''app.tenant'', true), ''''))', one);
        EXECUTE format('CREATE POLICY of_all ON analytics.%I FOR SELECT TO landslide_analyst USING (true)', one);
        EXECUTE format('CREATE POLICY of_sync ON analytics.%I TO landslide_sync USING (true) WITH CHECK (true)', one);
        EXECUTE format('GRANT SELECT ON analytics.%I TO landslide_api, landslide_analyst', one);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.%I TO landslide_sync', one);
    END LOOP;
END
$$;
GRANT SELECT ON analytics.months, analytics.state TO landslide_sync, landslide_api, landslide_analyst;
GRANT INSERT, UPDATE ON analytics.state TO landslide_sync;

-- A month's partitions: a table of its own first, attached then. CREATE TABLE … PARTITION OF would keep all readers waiting.
CREATE FUNCTION analytics.create_month(wanted date) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hashes constant integer := 8;
    first constant timestamptz := wanted::timestamp AT TIME ZONE 'UTC';
    following constant timestamptz := (wanted + interval '1 month') AT TIME ZONE 'UTC';
    name constant text := 'count_history_' || to_char(wanted, 'YYYY_MM');
    part text;
BEGIN
    EXECUTE format('CREATE TABLE analytics.%I (LIKE analytics.count_history INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
        CONSTRAINT of_month CHECK (minute >= %L AND minute < %L)) PARTITION BY HASH (poll_id)', name, first, following);
    FOR hash IN 0 .. hashes - 1 LOOP
        part := name || '_' || hash;
        EXECUTE format('CREATE TABLE analytics.%I PARTITION OF analytics.%I FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
            part, name, hashes, hash);
        EXECUTE format('ALTER TABLE analytics.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', part);
    END LOOP;
    EXECUTE format('ALTER TABLE analytics.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE analytics.count_history ATTACH PARTITION analytics.%I FOR VALUES FROM (%L) TO (%L)',
        name, first, following);
    EXECUTE format('ALTER TABLE analytics.%I DROP CONSTRAINT of_month', name);
    INSERT INTO analytics.months (month) VALUES (wanted);
END
$$;

-- What analysts and the API ask. security_invoker: by the rights, and the policies, of whoever asks.
CREATE VIEW analytics.results WITH (security_invoker = true) AS
    SELECT p.tenant, p.poll_id, p.question, p.kind, p.created_at, p.closes_at, p.is_final, p.ballots, p.as_of,
        o.option_id, o.label, o.votes
    FROM analytics.polls p LEFT JOIN analytics.option_counts o USING (poll_id)
    WHERE p.deleted_at IS NULL;
COMMENT ON VIEW analytics.results IS 'Each option of each poll, with the poll''s question and ballots.';

CREATE VIEW analytics.votes_by_day WITH (security_invoker = true) AS
    SELECT tenant, poll_id, (minute AT TIME ZONE 'UTC')::date AS day, sum(ballots - ballots_before)::bigint AS votes
    FROM analytics.count_history GROUP BY 1, 2, 3;
COMMENT ON VIEW analytics.votes_by_day IS 'Ballots that each day of UTC added to a poll; negative where more were retracted than cast.';
GRANT SELECT ON analytics.results, analytics.votes_by_day TO landslide_api, landslide_analyst;

-- Where a detached month goes: analysts see it, and its owner can dump it.
CREATE FUNCTION analytics.archive_month(name text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT relid FROM pg_partition_tree(format('analytics.%I', name)::regclass) LOOP
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', part);
        EXECUTE format('ALTER TABLE %s SET SCHEMA analytics_archive', part);
    END LOOP;
    EXECUTE format('CREATE POLICY of_all ON analytics_archive.%I FOR SELECT TO landslide_analyst USING (true)', name);
    EXECUTE format('GRANT SELECT ON analytics_archive.%I TO landslide_analyst', name);
END
$$;
