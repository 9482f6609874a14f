-- RFC 6962 §2.1 leaf hash: SHA-256 of 0x00 and the framed content of a stored event.
-- Each part is preceded by its length (4 bytes, big-endian), so that no two contents frame alike. Payload and metadata
-- enter as digests of their stored bytes: ciphertext, never personal data, so that an erasure breaks no proof.
CREATE FUNCTION event_leaf(
    the_position bigint, the_event_id uuid, the_aggregate_type text, the_aggregate_id text, the_sequence bigint,
    the_event_type text, the_event_version text, the_recorded_at timestamptz, the_salt bytea,
    the_payload text, the_metadata text
) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT sha256(
        '\x00'::bytea || '\x01'::bytea -- leaf, format version 1
        || int8send(the_position) || uuid_send(the_event_id)
        || int4send(octet_length(the_aggregate_type)) || convert_to(the_aggregate_type, 'UTF8')
        || int4send(octet_length(the_aggregate_id)) || convert_to(the_aggregate_id, 'UTF8')
        || int8send(the_sequence)
        || int4send(octet_length(the_event_type)) || convert_to(the_event_type, 'UTF8')
        || int4send(octet_length(the_event_version)) || convert_to(the_event_version, 'UTF8')
        || int8send((extract(epoch FROM the_recorded_at) * 1000000)::bigint)
        || int4send(octet_length(the_salt)) || the_salt
        || sha256(convert_to(the_payload, 'UTF8')) || sha256(convert_to(the_metadata, 'UTF8'))
    )
$$;

-- Appends a batch of units. A unit is all or nothing; one that conflicts is left out and named, the others commit.
--
-- The advisory lock serializes appends of all nodes until commit, so position order is commit order and nothing can be
-- read past a gap. READ COMMITTED gives each statement below a snapshot taken after the lock was won.
CREATE FUNCTION append_events(
    unit_of int[], aggregate_types text[], aggregate_ids text[], sequences bigint[], event_types text[],
    event_versions text[], payloads text[], metadatas text[], event_ids uuid[], salts bytea[],
    claim_unit int[], claim_kinds text[], claim_digests bytea[], claim_types text[], claim_ids text[]
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
    SELECT array_agg(c.unit), array_agg(c.refusal) INTO refused_units, refusals FROM (
        SELECT n.unit, 'conflict' AS refusal
        FROM unnest(unit_of, aggregate_types, aggregate_ids, sequences) AS n(unit, type, id, sequence)
        WHERE (SELECT 1 FROM events e WHERE e.aggregate_type = n.type AND e.aggregate_id = n.id
               AND e.sequence = n.sequence LIMIT 1) IS NOT NULL
        UNION ALL
        SELECT n.unit, 'claim:' || n.kind
        FROM unnest(claim_unit, claim_kinds, claim_digests, claim_types, claim_ids) AS n(unit, kind, digest, type, id)
        WHERE (SELECT c.aggregate_type <> n.type OR c.aggregate_id <> n.id FROM claims c
               WHERE c.kind = n.kind AND c.digest = n.digest LIMIT 1)
    ) AS c;
    refused_units := coalesce(refused_units, '{}');

    INSERT INTO events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata, event_id,
                        salt, position, recorded_at, leaf_hash)
    SELECT k.type, k.id, k.sequence, k.event_type, k.version, k.payload::json, k.metadata::json, k.event_id, k.salt,
           k.position, at,
           event_leaf(k.position, k.event_id, k.type, k.id, k.sequence, k.event_type, k.version, at, k.salt,
                      k.payload, k.metadata)
    FROM (
        SELECT n.*, base + row_number() OVER (ORDER BY n.ordinality) AS position
        FROM unnest(unit_of, aggregate_types, aggregate_ids, sequences, event_types, event_versions, payloads,
                    metadatas, event_ids, salts)
             WITH ORDINALITY AS n(unit, type, id, sequence, event_type, version, payload, metadata, event_id, salt)
        WHERE n.unit <> ALL (refused_units)
    ) AS k;
    IF FOUND THEN
        -- One wake-up a batch. The payload is a hint; the table is the truth.
        PERFORM pg_notify('chancery_events', '');
    END IF;
    RETURN NEXT;
END $$;
