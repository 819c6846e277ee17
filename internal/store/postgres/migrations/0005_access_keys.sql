-- Static access keys. key_id is what a client signs in the name of; the secret
-- signs, and so must be known again: it is kept sealed.
CREATE TABLE access_keys (
	id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	service_account_id TEXT COLLATE "C" NOT NULL REFERENCES service_accounts (id),
	key_id             TEXT COLLATE "C" NOT NULL UNIQUE,
	description        TEXT COLLATE "C" NOT NULL,
	sealed             BYTEA,
	created_at         BIGINT,
	last_used_at       BIGINT
);
CREATE INDEX access_keys_by_account ON access_keys (service_account_id, id);
