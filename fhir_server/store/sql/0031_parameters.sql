-- Search parameters that users have stored, one row a resource type; R4's and US Core's own come with the program.
-- Numbers stand in index rows: a definition that changes gets a new one, and none is used again.
CREATE SEQUENCE parameter_number AS smallint START 10001;
CREATE TABLE search_parameter (
    number smallint PRIMARY KEY,
    definer bigint NOT NULL,
    base text NOT NULL,
    code text NOT NULL,
    type text NOT NULL,
    expression text NOT NULL,
    targets text[] NOT NULL,
    components jsonb NOT NULL,
    url text NOT NULL,
    UNIQUE (base, code)
);
CREATE INDEX search_parameter_definer ON search_parameter (definer);

-- Parameters that stored resources are not indexed by yet: they answer no search.
CREATE TABLE pending_parameter (number smallint PRIMARY KEY);
INSERT INTO pending_parameter
SELECT generate_series(4001, 4006) WHERE EXISTS (SELECT FROM resource WHERE body IS NOT NULL);

-- Another number with each change of the two tables; out of a sequence, since a change that is undone must not come back.
CREATE SEQUENCE parameter_change;
CREATE TABLE parameter_edition (edition bigint NOT NULL);
INSERT INTO parameter_edition VALUES (nextval('parameter_change'));

-- What writers ask in their transaction: who changes parameters waits for them, and they wait for who does. The lock comes first, and
-- each statement of a volatile function sees what was committed before it, so the answer holds until the transaction ends.
CREATE FUNCTION hold_parameters(changes boolean) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE found bigint; key bigint := hashtextextended('chartline parameters ' || current_schema(), 0);
BEGIN
    IF changes THEN PERFORM pg_advisory_xact_lock(key); ELSE PERFORM pg_advisory_xact_lock_shared(key); END IF;
    SELECT edition INTO found FROM parameter_edition;
    RETURN found;
END $$;

-- Runs of $reindex; a run goes through the resource types in the order of their numbers.
CREATE TABLE reindex_run (
    id text PRIMARY KEY,
    started timestamptz NOT NULL,
    ended timestamptz,
    parameters smallint[] NOT NULL,
    types smallint[],
    after bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL,
    request text NOT NULL,
    problem text
);
CREATE INDEX reindex_open ON reindex_run (started) WHERE ended IS NULL;
