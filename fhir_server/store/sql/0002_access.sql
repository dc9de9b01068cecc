-- Who may sign in, and the keys that tokens are signed with.

-- The newest key signs, every one that has not expired verifies. jwk: the private key (RFC 7517).
CREATE TABLE signing_key (
    kid text COLLATE "C" PRIMARY KEY,
    jwk text NOT NULL,
    made_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

-- password_hash: argon2id in its own notation. patient: the logical id of the Patient that a patient signs in as.
CREATE TABLE app_user (
    username text COLLATE "C" PRIMARY KEY,
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('system', 'clinician', 'staff', 'patient')),
    fhir_user text NOT NULL DEFAULT '',
    patient text,
    CHECK (role <> 'patient' OR patient IS NOT NULL)
);

-- Attempts to sign in, by a hash of the name: what was typed may be a password. An attempt that succeeds removes them.
CREATE TABLE sign_in_attempt (
    name_hash bytea NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX sign_in_attempt_name ON sign_in_attempt (name_hash, at);
CREATE INDEX sign_in_attempt_at ON sign_in_attempt (at);

-- Tokens that were given back before they expired.
CREATE TABLE revoked_token (
    jti text COLLATE "C" PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
