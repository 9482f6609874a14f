-- Most batches claim nothing and hope that their places are free: there is nothing to look up for them.
CREATE OR REPLACE FUNCTION begin_append(
    -- For each unit, the first place it takes in each of its streams: later ones cannot be taken if that is free.
    place_unit int[], place_types text[], place_ids text[], place_sequences bigint[],
    claim_unit int[], claim_kinds text[], claim_digests bytea[], claim_types text[], claim_ids text[],
    -- Names the writing node to those who listen.
    node text
) RETURNS TABLE (base bigint, at timestamptz, refused_units int[], refusals text[])
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    head_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(4207849484);

    SELECT e.position, e.recorded_at INTO base, head_at FROM events e ORDER BY e.position DESC LIMIT 1;
    base := coalesce(base, 0);
    -- The database's clock, but never backwards: time is monotone with position.
    at := greatest(coalesce(head_at, '-infinity'), clock_timestamp());

    -- A taken sequence number means another command won; a claim of another stream is a refusal of its own.
    -- Scalar sub-queries with LIMIT always probe the index, whatever the planner thinks of the table's size.
    IF cardinality(place_unit) > 0 OR cardinality(claim_unit) > 0 THEN
        SELECT array_agg(c.unit), array_agg(c.refusal) INTO refused_units, refusals FROM (
            SELECT n.unit, 'conflict' AS refusal
            FROM unnest(place_unit, place_types, place_ids, place_sequences) AS n(unit, type, id, sequence)
            WHERE (SELECT 1 FROM events e WHERE e.aggregate_type = n.type AND e.aggregate_id = n.id
                   AND e.sequence = n.sequence LIMIT 1) IS NOT NULL
            UNION ALL
            SELECT n.unit, 'claim:' || n.kind
            FROM unnest(claim_unit, claim_kinds, claim_digests, claim_types, claim_ids) AS n(unit, kind, digest, type, id)
            WHERE (SELECT c.aggregate_type <> n.type OR c.aggregate_id <> n.id FROM claims c
                   WHERE c.kind = n.kind AND c.digest = n.digest LIMIT 1)
        ) AS c;
    END IF;

    -- One wake-up a batch. The payload is a hint; the table is the truth.
    PERFORM pg_notify('chancery_events', node);
    RETURN NEXT;
END $$;
