-- Everything in this schema is a view of the log: it can be dropped and rebuilt, and comes out equal. The application
-- names these tables without the schema (search_path = views, public), so that a rebuild can fill a shadow schema with
-- the same code and swap the two in one transaction.
CREATE SCHEMA views;

-- How far each catch-up projection has come. The row is locked while it advances, so one node at a time does.
CREATE TABLE views.checkpoints (
    projection text   PRIMARY KEY,
    position   bigint NOT NULL DEFAULT 0,
    -- Why the projection stopped, if it did: nothing is ever skipped.
    failure    text
);

-- Uniqueness claims: a view of the events that take and give them up, kept by the application in the same transaction.
-- `digest` is keyed (HMAC), so that the table names nobody.
CREATE TABLE views.claims (
    kind           text  NOT NULL,
    digest         bytea NOT NULL,
    aggregate_type text  NOT NULL,
    aggregate_id   text  NOT NULL,
    PRIMARY KEY (kind, digest)
);
-- An event may give up all claims of one kind that its stream holds.
CREATE INDEX claims_owner ON views.claims (aggregate_type, aggregate_id, kind);
