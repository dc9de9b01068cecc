-- Resources, their history, and the typed search index.
-- A rid is (type << 40) | sequence: a range of rids is a resource type, and within a type the order of creation.

CREATE SEQUENCE rid_sequence;

-- Current versions. version 0: known only because something refers to it. body NULL with version > 0: deleted.
CREATE TABLE resource (
    rid bigint PRIMARY KEY,
    type smallint NOT NULL,
    id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    last_updated timestamptz NOT NULL,
    patients bigint[] NOT NULL DEFAULT '{}',
    draft boolean NOT NULL DEFAULT false,
    body bytea
);
ALTER TABLE resource ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX resource_identity ON resource (type, id);
CREATE INDEX resource_updated ON resource (type, last_updated, rid);

-- Superseded versions; rows are only ever added. body NULL: the version was a deletion.
CREATE TABLE history (
    rid bigint NOT NULL,
    version integer NOT NULL,
    last_updated timestamptz NOT NULL,
    patients bigint[] NOT NULL DEFAULT '{}',
    body bytea,
    PRIMARY KEY (rid, version)
);
ALTER TABLE history ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX history_updated ON history (last_updated, rid);

-- Which patients' compartments hold what: $everything and /Patient/1/* read it in order.
CREATE TABLE compartment (
    patient bigint NOT NULL,
    rid bigint NOT NULL,
    PRIMARY KEY (patient, rid)
);

-- Interned texts: code systems, units and displays stand in index rows as numbers.
CREATE TABLE term (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    text text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX term_text ON term (md5(text));

CREATE TABLE token_index (
    rid bigint NOT NULL,
    display integer,
    system integer NOT NULL,
    param smallint NOT NULL,
    code text COLLATE "C" NOT NULL
);
CREATE INDEX token_value ON token_index (param, code, system, rid);
CREATE INDEX token_rid ON token_index (rid, param);

CREATE TABLE reference_index (
    rid bigint NOT NULL,
    target bigint,
    param smallint NOT NULL,
    version text COLLATE "C",
    url text COLLATE "C"
);
CREATE INDEX reference_target ON reference_index (target, param, rid) WHERE target IS NOT NULL;
CREATE INDEX reference_url ON reference_index (param, url, rid) WHERE url IS NOT NULL;
CREATE INDEX reference_rid ON reference_index (rid, param) INCLUDE (target);

CREATE TABLE date_index (
    rid bigint NOT NULL,
    lo timestamptz NOT NULL,
    hi timestamptz NOT NULL,
    param smallint NOT NULL
);
CREATE INDEX date_value ON date_index (param, lo, hi, rid);
CREATE INDEX date_rid ON date_index (rid, param) INCLUDE (lo, hi);

CREATE TABLE string_index (
    rid bigint NOT NULL,
    param smallint NOT NULL,
    value text COLLATE "C" NOT NULL,
    exact text COLLATE "C" NOT NULL
);
CREATE INDEX string_value ON string_index (param, value, rid);
CREATE INDEX string_rid ON string_index (rid, param);

CREATE TABLE uri_index (
    rid bigint NOT NULL,
    param smallint NOT NULL,
    value text COLLATE "C" NOT NULL
);
CREATE INDEX uri_value ON uri_index (param, value, rid);
CREATE INDEX uri_rid ON uri_index (rid, param);

-- Numbers and quantities: the interval as given, and the same in UCUM's base units.
CREATE TABLE quantity_index (
    rid bigint NOT NULL,
    system integer NOT NULL,
    unit integer,
    canonical_unit integer,
    param smallint NOT NULL,
    code text COLLATE "C" NOT NULL,
    lo numeric,
    hi numeric,
    canonical_lo numeric,
    canonical_hi numeric
);
CREATE INDEX quantity_value ON quantity_index (param, lo, rid);
CREATE INDEX quantity_canonical ON quantity_index (param, canonical_unit, canonical_lo, rid) WHERE canonical_unit IS NOT NULL;
CREATE INDEX quantity_rid ON quantity_index (rid, param) INCLUDE (lo, hi);

-- Composite parameters: one row a tuple of components; a component uses the columns of its type behind its number.
CREATE TABLE composite_index (
    rid bigint NOT NULL,
    param smallint NOT NULL,
    c1_system integer, c1_code text COLLATE "C", c1_target bigint, c1_url text COLLATE "C", c1_lo numeric, c1_hi numeric,
    c2_system integer, c2_code text COLLATE "C", c2_target bigint, c2_url text COLLATE "C", c2_lo numeric, c2_hi numeric,
    c2_unit integer, c2_canonical_unit integer, c2_canonical_lo numeric, c2_canonical_hi numeric,
    c2_from timestamptz, c2_to timestamptz, c2_value text COLLATE "C", c2_exact text COLLATE "C",
    c3_lo numeric, c3_hi numeric
);
CREATE INDEX composite_value ON composite_index (param, c1_code, c1_system, rid);
CREATE INDEX composite_rid ON composite_index (rid, param);

-- Secrets of the server itself, made at its first start.
CREATE TABLE server_key (
    name text PRIMARY KEY,
    value bytea NOT NULL
);

CREATE STATISTICS token_values (dependencies, ndistinct, mcv) ON param, code FROM token_index;
CREATE STATISTICS reference_targets (ndistinct) ON param, target FROM reference_index;
