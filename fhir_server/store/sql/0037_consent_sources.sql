-- Provisions about where data came from. sources: `type code/id`; source_params: the parameters that index sources; source_types: the
-- types of which those tell all. A permit needs one that matches; a denial covers what the index does not tell.
ALTER TABLE consent_rule ADD COLUMN sources text[], ADD COLUMN source_params smallint[], ADD COLUMN source_types smallint[];

CREATE FUNCTION comes_from(x consent_rule, a_rid bigint, a_kind integer) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    named text[];
BEGIN
    SELECT coalesce(array_agg(o.type || '/' || o.id), '{}') INTO named
    FROM reference_index t JOIN resource o ON o.rid = t.target WHERE t.rid = a_rid AND t.param = ANY(x.source_params);
    IF named && x.sources OR x.permits THEN
        RETURN named && x.sources;
    END IF;
    RETURN NOT a_kind = ANY(x.source_types) OR EXISTS (SELECT FROM unnest(x.sources) s WHERE NOT EXISTS (
        SELECT FROM unnest(named) n WHERE split_part(n, '/', 1) = split_part(s, '/', 1)));
END $$;

CREATE OR REPLACE FUNCTION speaking_rules(a_rid bigint, a_kind integer, a_patients bigint[], a_labels smallint, a_purposes text[], a_actors text[])
RETURNS SETOF consent_rule LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    WITH holding AS MATERIALIZED (
        SELECT * FROM consent_rule x WHERE x.patient = ANY(a_patients) AND x.valid_from <= now() AND x.valid_to > now()
            AND (x.purposes IS NULL OR x.purposes && a_purposes) AND (x.actors IS NULL OR x.actors && a_actors)
            AND (x.types IS NULL OR a_kind = ANY(x.types)) AND (x.labels IS NULL OR a_labels & x.labels <> 0)
            AND (x.rids IS NULL OR EXISTS (SELECT FROM resource o WHERE o.rid = a_rid AND o.type || '/' || o.id = ANY(x.rids)))
            AND (x.codes IS NULL OR EXISTS (SELECT FROM token_index t JOIN term s ON s.id = t.system
                WHERE t.rid = a_rid AND s.text || '|' || t.code = ANY(x.codes)))
            AND (x.data_from IS NULL OR CASE WHEN x.permits
                THEN EXISTS (SELECT FROM date_index t WHERE t.rid = a_rid)
                    AND NOT EXISTS (SELECT FROM date_index t WHERE t.rid = a_rid AND (t.lo < x.data_from OR t.hi > x.data_to))
                ELSE NOT EXISTS (SELECT FROM date_index t WHERE t.rid = a_rid)
                    OR EXISTS (SELECT FROM date_index t WHERE t.rid = a_rid AND t.lo < x.data_to AND t.hi > x.data_from) END)
            AND (x.sources IS NULL OR comes_from(x, a_rid, a_kind))
    )
    SELECT h.* FROM holding h
    WHERE NOT EXISTS (SELECT FROM holding e WHERE e.consent = h.consent AND e.parent = h.node);
END $$;
