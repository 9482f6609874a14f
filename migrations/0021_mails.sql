-- The outbox: mails that events ask for, and what became of them. Not a view, since a rebuild must not mail again, so it
-- lives outside the schema `views`, with a checkpoint of its own.
CREATE TABLE mails (
    -- One mail for each event and recipient.
    position        bigint      NOT NULL,
    recipient       text        NOT NULL,
    event_id        uuid        NOT NULL,
    user_id         uuid        NOT NULL,
    -- What it is about; emptied but for the kind once it is sent.
    letter          jsonb       NOT NULL,
    queued_at       timestamptz NOT NULL,
    attempts        int         NOT NULL DEFAULT 0,
    -- NULL: at once. While somebody sends it, when another may try.
    next_attempt_at timestamptz,
    sent_at         timestamptz,
    given_up_at     timestamptz,
    -- What the mail server said last, if it did not take it.
    failure         text,
    PRIMARY KEY (position, recipient)
);
-- The sender looks here once a second.
CREATE INDEX mails_waiting ON mails (next_attempt_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
-- How many a person got lately.
CREATE INDEX mails_person ON mails (user_id, queued_at);

-- How far each outbox has come. The row is locked while it advances, so one node at a time does.
CREATE TABLE outbox_checkpoints (
    outbox   text   PRIMARY KEY,
    position bigint NOT NULL
);
-- What happened before there was mail is not mailed.
INSERT INTO outbox_checkpoints (outbox, position) SELECT 'mails', coalesce(max(position), 0) FROM events;
