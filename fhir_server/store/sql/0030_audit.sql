-- The audit log: one row a deed, only ever added; a chain of hashes over it; and how far it has been told as AuditEvents.

-- deed: access/deed.py as JSON, never content of a record. A row commits with what it tells of.
CREATE TABLE audit_log (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deed text NOT NULL
);

-- The rows in the order in which they were sealed; hash: over the predecessor's hash, n and deed.
CREATE TABLE audit_chain (
    position bigint PRIMARY KEY,
    n bigint NOT NULL UNIQUE,
    hash bytea NOT NULL
);

-- After each sealing. Rows up to `settled` are all sealed or will never be; `seen` and `next_xid` are what settles later:
-- once every transaction before next_xid has ended, no row up to `seen` can still appear.
CREATE TABLE audit_seal (
    position bigint PRIMARY KEY,
    sealed_at timestamptz NOT NULL,
    settled bigint NOT NULL,
    seen bigint NOT NULL,
    next_xid bigint NOT NULL
);

-- How far the chain has been told as AuditEvents; one row.
CREATE TABLE audit_told (
    position bigint NOT NULL
);
INSERT INTO audit_told (position) VALUES (0);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_chain_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chain EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_seal_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal EXECUTE FUNCTION refuse_change();
