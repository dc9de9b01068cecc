-- OAuth 2.1: apps, codes, grants, launches, and assertions that were seen. Secrets are kept as SHA-256 only.

-- jwks: the app's public keys (RFC 7517), for private_key_jwt. scope: the most that the app is ever granted.
CREATE TABLE oauth_client (
    client_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    redirect_uris text[] NOT NULL DEFAULT '{}',
    scope text NOT NULL,
    secret_hash bytea,
    jwks text,
    CHECK (secret_hash IS NULL OR jwks IS NULL)
);

-- A grant: what a user gave an app. refresh_hash: of the refresh token that counts now; NULL where none was given.
CREATE TABLE oauth_grant (
    id text COLLATE "C" PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL REFERENCES oauth_client ON DELETE CASCADE,
    username text COLLATE "C" NOT NULL,
    role text NOT NULL,
    fhir_user text NOT NULL,
    patient text,
    scope text NOT NULL,
    signed_in_at timestamptz NOT NULL,
    refresh_hash bytea,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oauth_grant_username ON oauth_grant (username);

-- An authorization code; grant_id stands once it has been used, so that a second use takes the grant back.
CREATE TABLE oauth_code (
    code_hash bytea PRIMARY KEY,
    client_id text COLLATE "C" NOT NULL REFERENCES oauth_client ON DELETE CASCADE,
    redirect_uri text NOT NULL,
    challenge text NOT NULL,
    nonce text NOT NULL,
    username text COLLATE "C" NOT NULL,
    role text NOT NULL,
    fhir_user text NOT NULL,
    patient text,
    scope text NOT NULL,
    signed_in_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used boolean NOT NULL DEFAULT false,
    grant_id text COLLATE "C"
);

-- EHR launch: what the opaque value `launch` stands for, for one user and one authorization.
CREATE TABLE oauth_launch (
    launch_hash bytea PRIMARY KEY,
    username text COLLATE "C" NOT NULL,
    patient text NOT NULL,
    expires_at timestamptz NOT NULL
);

-- Assertions (private_key_jwt) that were used: each counts once.
CREATE TABLE oauth_assertion (
    client_id text COLLATE "C" NOT NULL,
    jti text COLLATE "C" NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client_id, jti)
);
