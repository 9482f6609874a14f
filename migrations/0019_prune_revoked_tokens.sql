-- Until when a revoked access token would have lived: after that it is refused anyway, and its row goes with the next
-- revocation. Rows of older events have none and stay.
ALTER TABLE views.revoked_tokens ADD COLUMN expires_at timestamptz;
CREATE INDEX revoked_tokens_expiry ON views.revoked_tokens (expires_at);
