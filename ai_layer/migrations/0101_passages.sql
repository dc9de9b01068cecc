-- Passages: what resources mean, for search by meaning. Equal texts share one vector.

CREATE TABLE passage_text (
    hash bytea PRIMARY KEY,
    text text NOT NULL,
    embedding public.vector NOT NULL
);

-- One row a resource; it is replaced or removed in the same transaction as the resource.
CREATE TABLE passage (
    rid bigint PRIMARY KEY,
    patient bigint NOT NULL,
    hash bytea NOT NULL,
    time timestamptz,
    value numeric,
    type smallint NOT NULL,
    system text NOT NULL,
    code text NOT NULL,
    status text NOT NULL,
    label text NOT NULL,
    unit text NOT NULL
);
-- Within one patient a btree and an exact sort are both exact and fastest.
CREATE INDEX passage_patient ON passage (patient, hash, time);
