-- People, as sign-in, authorization and administration read them. Written in the append's transaction.
CREATE TABLE views.users (
    user_id        uuid PRIMARY KEY,
    username       text NOT NULL,
    email          text,
    email_verified boolean NOT NULL,
    first_name     text NOT NULL,
    last_name      text NOT NULL,
    display_name   text NOT NULL,
    locale         text,
    is_admin       boolean NOT NULL,
    disabled       boolean NOT NULL,
    -- Made for STATIC_API_KEY; not a person.
    is_static      boolean NOT NULL,
    claims         jsonb NOT NULL,
    registered_at  timestamptz NOT NULL,
    -- When anything about the profile last changed: the `updated_at` claim.
    updated_at     timestamptz NOT NULL,
    second_passkey_declined_at timestamptz
);

CREATE TABLE views.passkeys (
    passkey_id         uuid PRIMARY KEY,
    user_id            uuid NOT NULL,
    credential_id      text NOT NULL UNIQUE,
    user_handle        text NOT NULL,
    authenticator_data text NOT NULL,
    name               text NOT NULL,
    aaguid             uuid NOT NULL,
    transports         text[] NOT NULL,
    attachment         text,
    -- The highest signature counter that was presented.
    counter            bigint NOT NULL,
    backup_eligible    boolean NOT NULL,
    backed_up          boolean NOT NULL,
    suspended          boolean NOT NULL,
    enrolled_at        timestamptz NOT NULL,
    last_used_at       timestamptz,
    last_used_country  text,
    last_used_city     text,
    last_used_agent    text
);
CREATE INDEX passkeys_user ON views.passkeys (user_id);

CREATE TABLE views.enrollments (
    enrollment_id uuid PRIMARY KEY,
    -- setup, invitation or recovery
    purpose       text NOT NULL,
    user_id       uuid,
    secret        bytea NOT NULL,
    issued_at     timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    opened_at     timestamptz,
    -- redeemed, or why it was revoked
    closed        text
);
CREATE INDEX enrollments_user ON views.enrollments (user_id) WHERE closed IS NULL;

CREATE TABLE views.groups (
    group_id      uuid PRIMARY KEY,
    name          text NOT NULL,
    friendly_name text NOT NULL,
    claims        jsonb NOT NULL,
    created_at    timestamptz NOT NULL
);

CREATE TABLE views.memberships (
    group_id uuid NOT NULL,
    user_id  uuid NOT NULL,
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX memberships_group ON views.memberships (group_id);

CREATE TABLE views.api_keys (
    api_key_id  uuid PRIMARY KEY,
    user_id     uuid NOT NULL,
    name        text NOT NULL,
    description text,
    digest      bytea NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX api_keys_user ON views.api_keys (user_id);

CREATE TABLE views.sessions (
    session_id       uuid PRIMARY KEY,
    user_id          uuid NOT NULL,
    secret           bytea NOT NULL,
    passkey_id       uuid NOT NULL,
    acr              text NOT NULL,
    amr              text[] NOT NULL,
    started_at       timestamptz NOT NULL,
    authenticated_at timestamptz NOT NULL,
    used_at          timestamptz NOT NULL,
    idle_seconds     bigint NOT NULL,
    expires_at       timestamptz NOT NULL,
    -- Why it ended; an ended session stays, for the history of devices.
    ended            text,
    address          text,
    user_agent       text,
    country          text,
    city             text
);
CREATE INDEX sessions_user ON views.sessions (user_id) WHERE ended IS NULL;
CREATE INDEX sessions_passkey ON views.sessions (passkey_id) WHERE ended IS NULL;
