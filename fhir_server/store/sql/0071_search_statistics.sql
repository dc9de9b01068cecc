-- Which codes are common differs from parameter to parameter: without these the planner takes a code of a rare parameter for rare,
-- and looks at every reference of every patient. ANALYZE fills them. https://www.postgresql.org/docs/current/planner-stats.html#PLANNER-STATS-EXTENDED
CREATE STATISTICS token_param_code (mcv) ON param, code FROM token_index;
ALTER STATISTICS token_param_code SET STATISTICS 1000;
CREATE STATISTICS composite_param_code (mcv) ON param, c1_code FROM composite_index;
ALTER STATISTICS composite_param_code SET STATISTICS 1000;
