-- API keys. Of a secret only its SHA-256 is kept; lookup is the first half of
-- it in hexadecimal. Scopes are a JSON array in the order they were given;
-- scope is the one that was given in the API's older field.
CREATE TABLE api_keys (
	id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	service_account_id TEXT COLLATE "C" NOT NULL REFERENCES service_accounts (id),
	description        TEXT COLLATE "C" NOT NULL,
	scope              TEXT COLLATE "C" NOT NULL,
	scopes             TEXT COLLATE "C" NOT NULL,
	masked_secret      TEXT COLLATE "C" NOT NULL,
	lookup             TEXT COLLATE "C" NOT NULL UNIQUE,
	hash               BYTEA,
	expires_at         BIGINT,
	created_at         BIGINT,
	last_used_at       BIGINT
);
CREATE INDEX api_keys_by_account ON api_keys (service_account_id, id);
