-- The later words of a name are beginnings of their own in the names of people only: rows of other names that say so go.
DELETE FROM string_index WHERE param IN (
    -3133, -3105, -3064, -2884, -2856, -2738, -2693, -2605, -2573, -2470, -2342, -2180, -2142, -2026, -1951,
    -1823, -1624, -1594, -1531, -1479, -1453, -1338, -1282, -1179, -1152, -1120, -1088, -1015, -964, -601, -547,
    -470, -256, -42, -12
);

-- DocumentReference's relationship is indexed otherwise than before: where there are documents it answers again when $reindex has run.
INSERT INTO pending_parameter
SELECT 938 WHERE EXISTS (SELECT FROM resource r WHERE r.rid >= 42::bigint << 40 AND r.rid < 43::bigint << 40 AND r.body IS NOT NULL)
ON CONFLICT DO NOTHING;
UPDATE parameter_edition SET edition = nextval('parameter_change');
