-- What the limits on mail count: how many an address is sent, and how many were sent in all, within an hour.
CREATE INDEX mails_recipient ON mails (lower(recipient), queued_at);
CREATE INDEX mails_sent ON mails (sent_at) WHERE sent_at IS NOT NULL;
