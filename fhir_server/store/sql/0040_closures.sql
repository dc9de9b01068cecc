-- Closure tables of clients: which codes each holds, and since which version.
-- https://hl7.org/fhir/R4/terminology-service.html#closure
CREATE TABLE closure (
    name text PRIMARY KEY,
    version integer NOT NULL
);
CREATE TABLE closure_concept (
    name text NOT NULL REFERENCES closure (name) ON DELETE CASCADE,
    system text NOT NULL,
    code text NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (name, system, code)
);
