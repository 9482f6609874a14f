-- The event log, the only truth. The layout is postgres-es's, plus what an ordered and provable log needs.
CREATE TABLE events (
    aggregate_type text        NOT NULL,
    aggregate_id   text        NOT NULL,
    sequence       bigint      NOT NULL,
    event_type     text        NOT NULL,
    event_version  text        NOT NULL,
    -- json, not jsonb: the bytes that were hashed must stay as they were written.
    payload        json        NOT NULL,
    metadata       json        NOT NULL,
    -- Dense from 1, in commit order. No default: only append_events may write here.
    position       bigint      NOT NULL,
    event_id       uuid        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    -- Makes published leaf hashes of low-entropy events impossible to guess.
    salt           bytea       NOT NULL,
    -- RFC 6962 leaf hash of the stored row, see event_leaf.
    leaf_hash      bytea       NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
);

-- Readers go by position; the append function takes its head from here.
CREATE UNIQUE INDEX events_position ON events (position);
-- Finds an event by its id: settles a commit whose outcome is unknown, and answers links into the history.
CREATE UNIQUE INDEX events_event_id ON events (event_id);

-- The log only grows. The application's own role has no right to change it; this stops its owner too.
CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_log();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_log();
