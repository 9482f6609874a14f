-- The history as people read it, behind the log by position. Rebuilt, filtered and paged; the log stays the truth.
CREATE TABLE views.audit (
    position    bigint PRIMARY KEY,
    event_id    uuid NOT NULL,
    event_name  text NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor       text NOT NULL,
    -- Who acted, if a person did; whom it is about, if it is about a person.
    actor_id    uuid,
    user_id     uuid,
    client_id   text,
    -- A sentence in parts: what it says, and the details it was made from.
    sentence    jsonb NOT NULL,
    refused     boolean NOT NULL,
    country     text,
    city        text,
    latitude    double precision,
    longitude   double precision,
    address     text,
    user_agent  text,
    -- Everything a person might search for, in lower case.
    search      text NOT NULL
);
CREATE INDEX audit_user ON views.audit (user_id, position DESC);
CREATE INDEX audit_actor ON views.audit (actor_id, position DESC);
CREATE INDEX audit_client ON views.audit (client_id, position DESC);
CREATE INDEX audit_name ON views.audit (event_name, position DESC);
