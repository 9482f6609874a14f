-- What ends all grants that rest on it — a person disabled, erased or signed out everywhere, an app disabled or deleted, a
-- consent withdrawn — is one row with its position, however many grants there are. A grant counts if it was authorized
-- after that. (Positions, not times: their order is the order of what happened.)
CREATE TABLE views.grant_cutoffs (
    aggregate_type text COLLATE "C" NOT NULL,
    aggregate_id   text COLLATE "C" NOT NULL,
    position       bigint NOT NULL,
    -- The session in which somebody signed out everywhere else: its grants go on.
    except_session uuid,
    PRIMARY KEY (aggregate_type, aggregate_id)
);
INSERT INTO views.grant_cutoffs
SELECT DISTINCT ON (aggregate_type, aggregate_id) aggregate_type, aggregate_id, position,
       (payload->'user.signed_out_everywhere'->>'except')::uuid
FROM events
WHERE event_type IN ('user.disabled', 'user.erased', 'user.signed_out_everywhere', 'client.disabled', 'client.deleted',
                     'consent.withdrawn')
ORDER BY aggregate_type, aggregate_id, position DESC;

-- The position of a grant's first event, and whether the grant itself was revoked. Nothing here names anybody.
DROP TABLE views.grants;
CREATE TABLE views.grants (
    grant_id uuid    PRIMARY KEY,
    position bigint  NOT NULL,
    revoked  boolean NOT NULL
);
INSERT INTO views.grants
SELECT aggregate_id::uuid, min(position), bool_or(event_type IN ('grant.revoked', 'grant.pkce_failed'))
FROM events WHERE aggregate_type = 'grant' GROUP BY aggregate_id;

-- A passkey belongs to one person, whose sessions are found by person.
DROP INDEX views.sessions_passkey;

-- The tokens of a grant that were revoked one by one are looked up with it.
CREATE INDEX revoked_tokens_grant ON views.revoked_tokens (grant_id);
