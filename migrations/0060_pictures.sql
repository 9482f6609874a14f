-- Profile pictures. Which one a person has is a view of the log; the digest is that of the sealed bytes.
CREATE TABLE views.pictures (
    user_id uuid  PRIMARY KEY,
    digest  bytea NOT NULL
);

-- The pictures themselves, sealed under the key of their person: too large for the log, and so no view, which could be
-- rebuilt from it. What no view points to any more is swept.
CREATE TABLE sealed_pictures (
    digest    bytea       PRIMARY KEY,
    user_id   uuid        NOT NULL,
    sealed    bytea       NOT NULL,
    stored_at timestamptz NOT NULL
);
-- What is encrypted cannot be compressed.
ALTER TABLE sealed_pictures ALTER COLUMN sealed SET STORAGE EXTERNAL;
-- The pictures of a person that they replaced, removed or were erased with.
CREATE INDEX sealed_pictures_user ON sealed_pictures (user_id);
