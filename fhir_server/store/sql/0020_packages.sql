-- FHIR packages that were loaded; their definitions are resources.
CREATE TABLE package (
    name text NOT NULL,
    version text NOT NULL,
    loaded timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);
