-- The history as people read it, behind the log by position. Rebuilt, filtered and paged; the log stays the truth.
-- People, apps, groups and passkeys are kept by their ids; their names are looked up when a page is shown.
CREATE TABLE views.audit (
    position       bigint PRIMARY KEY,
    event_id       uuid NOT NULL,
    event_name     text NOT NULL,
    recorded_at    timestamptz NOT NULL,
    aggregate_type text NOT NULL,
    aggregate_id   text NOT NULL,
    actor          text NOT NULL,
    -- Who acted, if a person did; whom it is about, if it is about a person.
    actor_id       uuid,
    user_id        uuid,
    client_id      text,
    -- A sentence in parts: what it says, and what changed from what to what.
    sentence       jsonb NOT NULL,
    refused        boolean NOT NULL,
    -- The country stays after an erasure; the rest of the origin belongs to who acted, and goes with them.
    country        text,
    city           text,
    latitude       double precision,
    longitude      double precision,
    address        text,
    user_agent     text,
    -- The words of the sentence, in lower case.
    search         text NOT NULL,
    -- Sentence and search words without anything personal, to take their place when the person of user_id is erased.
    -- NULL where they hold nothing personal.
    if_erased      jsonb
);
CREATE INDEX audit_user ON views.audit (user_id, position DESC);
CREATE INDEX audit_actor ON views.audit (actor_id, position DESC);
CREATE INDEX audit_client ON views.audit (client_id, position DESC);
CREATE INDEX audit_name ON views.audit (event_name, position DESC);
-- An event that does not name its person or app finds them at the beginning of its stream.
CREATE INDEX audit_stream ON views.audit (aggregate_id, position);
-- The figures and the map look at the last 30 days.
CREATE INDEX audit_time ON views.audit (recorded_at);
CREATE INDEX audit_refused ON views.audit (position DESC) WHERE refused;
