-- Static access keys. key_id is what a client signs in the name of; the secret
-- signs, and so must be known again: it is kept sealed.
CREATE TABLE access_keys (
	id                 TEXT NOT NULL PRIMARY KEY,
	service_account_id TEXT NOT NULL REFERENCES service_accounts (id),
	key_id             TEXT NOT NULL UNIQUE,
	description        TEXT NOT NULL,
	sealed             BLOB,
	created_at         INTEGER,
	last_used_at       INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX access_keys_by_account ON access_keys (service_account_id, id);
