-- API keys. Of a secret only its SHA-256 is kept; lookup is the first half of
-- it in hexadecimal. Scopes are a JSON array in the order they were given;
-- scope is the one that was given in the API's older field.
CREATE TABLE api_keys (
	id                 TEXT NOT NULL PRIMARY KEY,
	service_account_id TEXT NOT NULL REFERENCES service_accounts (id),
	description        TEXT NOT NULL,
	scope              TEXT NOT NULL,
	scopes             TEXT NOT NULL,
	masked_secret      TEXT NOT NULL,
	lookup             TEXT NOT NULL UNIQUE,
	hash               BLOB,
	expires_at         INTEGER,
	created_at         INTEGER,
	last_used_at       INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_account ON api_keys (service_account_id, id);
