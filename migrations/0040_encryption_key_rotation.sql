-- Which ENCRYPTION_KEY the data keys are sealed under, by its fingerprint, so that it can be changed while nodes run.
--
-- `key_id` names the key that new data keys are sealed under. While the others are sealed anew, `replaces` names the key
-- that some of them are still under; it is NULL when none is.
ALTER TABLE vault_check
    ADD COLUMN key_id   text,
    ADD COLUMN replaces text;

-- NULL where it was sealed before fingerprints were noted.
ALTER TABLE subject_keys ADD COLUMN sealed_under text;
