-- Roles, and where the migrations write themselves down. Runs before each migration, as the server's administrator, and
-- changes nothing the second time.

-- Roles are the server's, not the database's: those of an earlier database are kept.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM (VALUES
        ('landslide_owner', 'NOLOGIN'),   -- owns everything here; nobody logs in as it
        ('landslide_sync', 'LOGIN'),      -- sync-analytics: writes, and looks after the months
        ('landslide_api', 'LOGIN'),       -- GET /v1/analytics: one tenant's rows
        ('landslide_analyst', 'NOLOGIN')  -- people are members of it: all tenants' rows, reading only
    ) AS roles (name, login) LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted.name) THEN
            EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS',
                wanted.name, wanted.login);
        END IF;
    END LOOP;
    -- Detaching a month concurrently takes the tables' owner, and no function can do it: the sync says SET ROLE for that.
    -- NOINHERIT: until it does, it has its own few rights only.
    ALTER ROLE landslide_sync NOINHERIT;
    GRANT landslide_owner TO landslide_sync;
    EXECUTE format('GRANT landslide_owner TO %I', current_user);
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO landslide_sync, landslide_api, landslide_analyst', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO landslide_sync', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO landslide_owner', current_database());
END
$$;

ALTER ROLE landslide_api SET default_transaction_read_only = on;
ALTER ROLE landslide_api SET statement_timeout = '5s';
ALTER ROLE landslide_api SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE landslide_sync SET statement_timeout = '60s';
ALTER ROLE landslide_sync SET idle_in_transaction_session_timeout = '60s';

SET LOCAL ROLE landslide_owner;

CREATE SCHEMA IF NOT EXISTS analytics;
CREATE TABLE IF NOT EXISTS analytics.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
GRANT USAGE ON SCHEMA analytics TO landslide_sync, landslide_api, landslide_analyst;
GRANT SELECT ON analytics.migrations TO landslide_sync, landslide_api, landslide_analyst;
