-- Who writes asks for this first. From then on its transaction keeps plans for any values: with arrays of a few rows Postgres would plan
-- each statement anew, which took longer than running it (docs/performance.md).
-- https://www.postgresql.org/docs/current/runtime-config-query.html#GUC-PLAN-CACHE-MODE
CREATE OR REPLACE FUNCTION hold_parameters(changes boolean) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE found bigint; key bigint := hashtextextended('chartline parameters ' || current_schema(), 0);
BEGIN
    PERFORM set_config('plan_cache_mode', 'force_generic_plan', true);
    IF changes THEN PERFORM pg_advisory_xact_lock(key); ELSE PERFORM pg_advisory_xact_lock_shared(key); END IF;
    SELECT edition INTO found FROM parameter_edition;
    RETURN found;
END $$;
