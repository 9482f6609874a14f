-- Failed attempts at a secret, for all nodes together: when the allowance of a key is whole again. Rows live for minutes.
-- Unlogged: a crash of the database forgets them, and they cost no flush.
CREATE UNLOGGED TABLE attempts (
    -- Digest of what was guessed at, the network it came from, and the client or account in question.
    key         bytea       PRIMARY KEY,
    restored_at timestamptz NOT NULL
);
CREATE INDEX attempts_expiry ON attempts (restored_at);
