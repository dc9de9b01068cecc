-- The index speaks of current versions only. Of superseded and deleted ones it does not tell: a denial with a condition that is asked of
-- the index covers them, a permit does not. is_indexed: whether the row in hand is a current version that is there.
DROP FUNCTION consents_permit(bigint, integer, bigint[], smallint, text[], text[], boolean);
DROP FUNCTION speaking_rules(bigint, integer, bigint[], smallint, text[], text[]);

CREATE FUNCTION speaking_rules(
    a_rid bigint, a_kind integer, a_patients bigint[], a_labels smallint, is_indexed boolean, a_purposes text[], a_actors text[]
) RETURNS SETOF consent_rule LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    WITH holding AS MATERIALIZED (
        SELECT * FROM consent_rule x WHERE x.patient = ANY(a_patients) AND x.valid_from <= now() AND x.valid_to > now()
            AND (x.purposes IS NULL OR x.purposes && a_purposes) AND (x.actors IS NULL OR x.actors && a_actors)
            AND (x.types IS NULL OR a_kind = ANY(x.types)) AND (x.labels IS NULL OR a_labels & x.labels <> 0)
            AND (x.rids IS NULL OR EXISTS (SELECT FROM resource o WHERE o.rid = a_rid AND o.type || '/' || o.id = ANY(x.rids)))
            AND CASE WHEN NOT is_indexed AND num_nonnulls(x.codes, x.sources, x.data_from) > 0 THEN NOT x.permits ELSE
            (x.codes IS NULL OR EXISTS (SELECT FROM token_index t JOIN term s ON s.id = t.system
                WHERE t.rid = a_rid AND s.text || '|' || t.code = ANY(x.codes)))
            AND (x.data_from IS NULL OR CASE WHEN x.permits
                THEN EXISTS (SELECT FROM date_index t WHERE t.rid = a_rid)
                    AND NOT EXISTS (SELECT FROM date_index t WHERE t.rid = a_rid AND (t.lo < x.data_from OR t.hi > x.data_to))
                ELSE NOT EXISTS (SELECT FROM date_index t WHERE t.rid = a_rid)
                    OR EXISTS (SELECT FROM date_index t WHERE t.rid = a_rid AND t.lo < x.data_to AND t.hi > x.data_from) END)
            AND (x.sources IS NULL OR comes_from(x, a_rid, a_kind)) END
    )
    SELECT h.* FROM holding h
    WHERE NOT EXISTS (SELECT FROM holding e WHERE e.consent = h.consent AND e.parent = h.node);
END $$;

-- is_exchange: at least one provision has to permit it. Of several patients nobody speaks for the others.
CREATE FUNCTION consents_permit(
    a_rid bigint, a_kind integer, a_patients bigint[], a_labels smallint, is_indexed boolean, a_purposes text[], a_actors text[],
    is_exchange boolean
) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    denied boolean;
    permitted boolean;
    named smallint;
BEGIN
    SELECT bool_or(NOT s.permits), bool_or(s.permits), bit_or(s.labels) FILTER (WHERE s.permits) INTO denied, permitted, named
    FROM speaking_rules(a_rid, a_kind, a_patients, a_labels, is_indexed, a_purposes, a_actors) s;
    IF denied OR (cardinality(a_patients) <> 1 AND (a_labels <> 0 OR (is_exchange AND a_patients <> '{}'))) THEN
        RETURN false;
    END IF;
    RETURN a_labels & ~coalesce(named, 0::smallint) = 0 AND (NOT is_exchange OR a_patients = '{}' OR coalesce(permitted, false));
END $$;
