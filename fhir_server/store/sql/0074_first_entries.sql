-- Bundle's composition and message lead to the first resource of the Bundle: where there are Bundles they answer when $reindex has run.
INSERT INTO pending_parameter
SELECT v.number FROM (VALUES (229), (231)) AS v (number)
WHERE EXISTS (SELECT FROM resource r WHERE r.rid >= 12::bigint << 40 AND r.rid < 13::bigint << 40 AND r.body IS NOT NULL)
ON CONFLICT DO NOTHING;
UPDATE parameter_edition SET edition = nextval('parameter_change');
