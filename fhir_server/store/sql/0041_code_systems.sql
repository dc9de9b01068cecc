-- Code systems that users loaded from their publishers' releases: each version whole, beside the others.
-- https://hl7.org/fhir/R4/codesystem.html
CREATE TABLE code_release (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL,
    version text NOT NULL,
    edition text NOT NULL,
    name text NOT NULL,
    version_order text NOT NULL,
    is_case_sensitive boolean NOT NULL,
    digest text NOT NULL,
    loaded timestamptz NOT NULL,
    concepts integer NOT NULL,
    UNIQUE (url, version)
);
CREATE TABLE code_concept (
    release integer NOT NULL REFERENCES code_release (number) ON DELETE CASCADE,
    code text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    display text NOT NULL,
    definition text NOT NULL,
    is_inactive boolean NOT NULL,
    parents text[] NOT NULL,
    designations jsonb NOT NULL,
    properties jsonb NOT NULL,
    facts text[] NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (release, code)
);
CREATE INDEX code_concept_facts ON code_concept USING gin (facts);
CREATE INDEX code_concept_words ON code_concept USING gin (words);
CREATE TABLE code_edge (
    release integer NOT NULL REFERENCES code_release (number) ON DELETE CASCADE,
    parent text COLLATE "C" NOT NULL,
    child text COLLATE "C" NOT NULL,
    PRIMARY KEY (release, parent, child)
);
