-- What is not worth an event and may be lost: ceremonies and requests in flight. Rows are consumed by
-- DELETE … RETURNING, so each is used once, on whichever node.
CREATE TABLE short_lived (
    kind       text        NOT NULL,
    -- Digest of the identifier that the browser or client holds.
    id         bytea       NOT NULL,
    content    jsonb       NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX short_lived_expiry ON short_lived (expires_at);
