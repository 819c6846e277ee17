-- By the secret itself, for those who have found one: the first half of its
-- SHA-256 in hexadecimal. Keys from before this column get theirs when the
-- server starts.
ALTER TABLE access_keys ADD COLUMN lookup TEXT;
CREATE UNIQUE INDEX access_keys_by_lookup ON access_keys (lookup);

-- The expires_at that was acted upon: tokens that outlive the account's end
-- were revoked, and the audit log tells of it.
ALTER TABLE service_accounts ADD COLUMN expiry_recorded INTEGER;
-- Ends from before this column are over: whoever moved one nearer ended what
-- might have outlived it.
UPDATE service_accounts SET expiry_recorded = expires_at WHERE expires_at <= CAST(unixepoch('subsec') * 1000000 AS INTEGER);
CREATE INDEX service_accounts_by_expiry ON service_accounts (expires_at) WHERE expires_at <> COALESCE(expiry_recorded, 0);
