-- Vectors of texts of records, for search parameters of users that are asked by meaning; no text stands here.
-- They come and go in the same transaction as their resource; `part` numbers the pieces of its texts.
CREATE TABLE meaning (
    rid bigint NOT NULL,
    param smallint NOT NULL,
    part integer NOT NULL,
    embedding public.vector NOT NULL,
    PRIMARY KEY (param, rid, part)
);
CREATE INDEX meaning_rid ON meaning (rid);
