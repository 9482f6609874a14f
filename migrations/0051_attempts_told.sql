-- What administrators see of failed attempts, as long as the row lives: minutes. NULL where an older node counted.
ALTER TABLE attempts
    -- What was guessed at: passkey, client_secret, api_key, enrollment_link.
    ADD COLUMN secret  text,
    -- An IPv4 address, or the first of an IPv6 /64.
    ADD COLUMN network text,
    -- The account or app in question, if it is known; else empty.
    ADD COLUMN about   text;
