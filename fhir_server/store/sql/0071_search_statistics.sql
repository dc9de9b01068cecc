-- Which codes are common differs from parameter to parameter: with too few of them known, the planner takes a code of a rare parameter
-- for rare, and looks at every reference of every patient. ANALYZE fills them.
-- https://www.postgresql.org/docs/current/planner-stats.html#PLANNER-STATS-EXTENDED
ALTER STATISTICS token_values SET STATISTICS 1000;
CREATE STATISTICS composite_values (mcv) ON param, c1_code FROM composite_index;
ALTER STATISTICS composite_values SET STATISTICS 1000;
