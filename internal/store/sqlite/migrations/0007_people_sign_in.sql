-- A person's account can be suspended: his tokens end, his roles stay.
ALTER TABLE user_accounts ADD COLUMN status TEXT NOT NULL DEFAULT 'ACTIVE';
ALTER TABLE user_accounts ADD COLUMN suspend_reason TEXT NOT NULL DEFAULT '';

-- OAuth tokens of people. Of a secret only its SHA-256 is kept; lookup is the
-- first half of it in hexadecimal.
CREATE TABLE oauth_tokens (
	id           TEXT NOT NULL PRIMARY KEY,
	subject_id   TEXT NOT NULL REFERENCES user_accounts (id),
	client_id    TEXT NOT NULL,
	description  TEXT NOT NULL,
	masked       TEXT NOT NULL,
	lookup       TEXT NOT NULL UNIQUE,
	hash         BLOB,
	created_at   INTEGER,
	expires_at   INTEGER,
	last_used_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_tokens_by_subject ON oauth_tokens (subject_id, id);

-- Clients of OAuth 2.0. Lists are JSON arrays in the order they were given.
CREATE TABLE oauth_clients (
	id                     TEXT NOT NULL PRIMARY KEY,
	folder_id              TEXT NOT NULL REFERENCES folders (id),
	name                   TEXT NOT NULL,
	redirect_uris          TEXT NOT NULL,
	post_logout_uris       TEXT NOT NULL,
	scopes                 TEXT NOT NULL,
	authentication_methods TEXT NOT NULL,
	profile_id             TEXT NOT NULL,
	pkce_required          INTEGER NOT NULL,
	created_at             INTEGER,
	UNIQUE (folder_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_clients_by_folder ON oauth_clients (folder_id, id);

CREATE TABLE oauth_client_secrets (
	id              TEXT NOT NULL PRIMARY KEY,
	oauth_client_id TEXT NOT NULL REFERENCES oauth_clients (id),
	description     TEXT NOT NULL,
	masked_secret   TEXT NOT NULL,
	lookup          TEXT NOT NULL UNIQUE,
	hash            BLOB,
	created_at      INTEGER,
	last_used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_client_secrets_by_client ON oauth_client_secrets (oauth_client_id, id);
