-- Contained resources have index rows, so that chains lead into them and `_contained` finds them. Their rids stand apart from those of
-- resources: bit 60 is set. They are read as part of their container only, under the Access to it.
CREATE TABLE contained (
    rid bigint PRIMARY KEY,
    container bigint NOT NULL,
    id text COLLATE "C" NOT NULL
);
CREATE INDEX contained_container ON contained (container);
