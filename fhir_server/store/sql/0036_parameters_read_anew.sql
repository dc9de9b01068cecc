-- Parameters that are indexed otherwise than before (extensions, InsurancePlan's name, deceased, two composites): where there are
-- resources of their type they answer again when $reindex has run.
INSERT INTO pending_parameter
SELECT v.number FROM (VALUES (777, 35), (869, 40), (1479, 66), (1993, 93), (1998, 93), (2066, 96), (2090, 96), (2093, 96), (2094, 96),
    (2095, 96), (2238, 103), (2247, 103)) AS v (number, type)
WHERE EXISTS (SELECT FROM resource r WHERE r.rid >= v.type::bigint << 40 AND r.rid < (v.type + 1)::bigint << 40 AND r.body IS NOT NULL)
ON CONFLICT DO NOTHING;
UPDATE parameter_edition SET edition = nextval('parameter_change');
