-- A resource has four or five rows in these tables: by its number alone they share one entry of the index, which then is a fifth of
-- the size; the few rows lie side by side in the table. https://www.postgresql.org/docs/current/btree.html#BTREE-DEDUPLICATION
DROP INDEX token_rid;
CREATE INDEX token_rid ON token_index (rid);
DROP INDEX reference_rid;
CREATE INDEX reference_rid ON reference_index (rid);
-- Values of a code are compared inside the index.
DROP INDEX composite_value;
CREATE INDEX composite_value ON composite_index (param, c1_code, c1_system, rid)
    INCLUDE (c2_lo, c2_hi, c2_canonical_unit, c2_canonical_lo, c2_canonical_hi);
