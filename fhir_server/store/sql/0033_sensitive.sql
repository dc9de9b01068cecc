-- Sensitive categories (access/sensitive.json) as bits, for each version; `chartline reindex` fills them in for what is there already.
ALTER TABLE resource ADD COLUMN labels smallint NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN labels smallint NOT NULL DEFAULT 0;

-- What active Consents say, one row a provision, written with the Consent: NULL means any. parent: the provision that this one is an
-- exception to. Conditions include those of the parents. in_doubt: something of it could not be understood; only denials are in doubt.
CREATE TABLE consent_rule (
    consent bigint NOT NULL,
    node smallint NOT NULL,
    parent smallint,
    patient bigint NOT NULL,
    permits boolean NOT NULL,
    reference text NOT NULL,
    valid_from timestamptz NOT NULL DEFAULT '-infinity',
    valid_to timestamptz NOT NULL DEFAULT 'infinity',
    purposes text[],
    actors text[],
    types smallint[],
    labels smallint,
    codes text[],
    rids text[],
    data_from timestamptz,
    data_to timestamptz,
    PRIMARY KEY (consent, node)
);
CREATE INDEX consent_rule_patient ON consent_rule (patient);

-- Who broke the glass for whom, and until when.
CREATE TABLE break_glass (
    patient bigint NOT NULL,
    actor text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (patient, actor, until)
);
