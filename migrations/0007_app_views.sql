-- Apps (relying parties), what people consented to, and what was granted. Written in the append's transaction.
CREATE TABLE views.clients (
    client_id  text PRIMARY KEY,
    settings   jsonb NOT NULL,
    name       text NOT NULL,
    disabled   boolean NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE views.client_secrets (
    client_id  text NOT NULL,
    secret_id  uuid NOT NULL,
    prefix     text NOT NULL,
    digest     bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (client_id, secret_id)
);

-- The groups that may use a restricted app.
CREATE TABLE views.client_groups (
    client_id text NOT NULL,
    group_id  uuid NOT NULL,
    PRIMARY KEY (client_id, group_id)
);
CREATE INDEX client_groups_group ON views.client_groups (group_id);

CREATE TABLE views.consents (
    user_id    uuid NOT NULL,
    client_id  text NOT NULL,
    scopes     text[] NOT NULL,
    given_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, client_id)
);
CREATE INDEX consents_client ON views.consents (client_id);

-- One row for each authorization grant that may still be used. Codes and refresh tokens are decided on the grant's own
-- stream; this answers whether access tokens of the grant are alive, and ends grants together with what they rest on.
CREATE TABLE views.grants (
    grant_id   uuid PRIMARY KEY,
    client_id  text NOT NULL,
    user_id    uuid,
    session_id uuid,
    scopes     text[] NOT NULL,
    -- Why it was revoked.
    revoked    text,
    expires_at timestamptz NOT NULL
);
CREATE INDEX grants_user ON views.grants (user_id) WHERE revoked IS NULL;
CREATE INDEX grants_session ON views.grants (session_id) WHERE revoked IS NULL;
CREATE INDEX grants_client ON views.grants (client_id) WHERE revoked IS NULL;

-- Access tokens revoked one by one (RFC 7009); a row may go once its token has expired.
CREATE TABLE views.revoked_tokens (
    jti        text PRIMARY KEY,
    grant_id   uuid NOT NULL
);

CREATE TABLE views.signing_keys (
    kid          text PRIMARY KEY,
    algorithm    text NOT NULL,
    -- staged, active, retired
    status       text NOT NULL,
    public_jwk   jsonb NOT NULL,
    staged_at    timestamptz NOT NULL,
    activated_at timestamptz,
    retired_at   timestamptz
);
