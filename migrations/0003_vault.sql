-- Data keys, one for each subject, wrapped by a key derived from ENCRYPTION_KEY. Destroying a row's key erases the
-- subject everywhere in the log; the row stays, so that nobody is sealed under a new key by accident.
CREATE TABLE subject_keys (
    subject      text        NOT NULL,
    key_version  int         NOT NULL,
    wrapped      bytea,
    created_at   timestamptz NOT NULL DEFAULT now(),
    destroyed_at timestamptz,
    PRIMARY KEY (subject, key_version),
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

-- A known text sealed under the derived key: a wrong ENCRYPTION_KEY is noticed at start, before it does harm.
CREATE TABLE vault_check (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sealed   bytea   NOT NULL
);
