-- Enabling a person or an app ends what was begun before it, as disabling them did: a node that had not heard of the
-- disabling may have recorded something behind it (decision 13). Views that were written before follow here, so that a
-- rebuild comes out equal.
INSERT INTO views.grant_cutoffs (aggregate_type, aggregate_id, position)
SELECT e.aggregate_type, e.aggregate_id, max(e.position)
FROM events e, pruned p
WHERE e.aggregate_type IN ('user', 'client') AND e.event_type IN ('user.enabled', 'client.enabled')
  AND e.position > p.position
GROUP BY e.aggregate_type, e.aggregate_id
ON CONFLICT (aggregate_type, aggregate_id)
DO UPDATE SET position = excluded.position, except_session = NULL
WHERE grant_cutoffs.position < excluded.position;

UPDATE views.sessions s SET ended = 'disabled'
WHERE s.ended IS NULL
  AND s.user_id IN (SELECT aggregate_id::uuid FROM events WHERE aggregate_type = 'user' AND event_type = 'user.enabled')
  AND EXISTS (SELECT 1
              FROM events began
              JOIN events enabled ON enabled.aggregate_type = 'user' AND enabled.aggregate_id = s.user_id::text
                                 AND enabled.event_type = 'user.enabled' AND enabled.position > began.position
              WHERE began.aggregate_type = 'session' AND began.aggregate_id = s.session_id::text
                AND began.event_type = 'session.started');
