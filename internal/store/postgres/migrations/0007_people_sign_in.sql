-- A person's account can be suspended: his tokens end, his roles stay.
ALTER TABLE user_accounts ADD COLUMN status TEXT COLLATE "C" NOT NULL DEFAULT 'ACTIVE';
ALTER TABLE user_accounts ADD COLUMN suspend_reason TEXT COLLATE "C" NOT NULL DEFAULT '';

-- OAuth tokens of people. Of a secret only its SHA-256 is kept; lookup is the
-- first half of it in hexadecimal.
CREATE TABLE oauth_tokens (
	id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	subject_id   TEXT COLLATE "C" NOT NULL REFERENCES user_accounts (id),
	client_id    TEXT COLLATE "C" NOT NULL,
	description  TEXT COLLATE "C" NOT NULL,
	masked       TEXT COLLATE "C" NOT NULL,
	lookup       TEXT COLLATE "C" NOT NULL UNIQUE,
	hash         BYTEA,
	created_at   BIGINT,
	expires_at   BIGINT,
	last_used_at BIGINT
);
CREATE INDEX oauth_tokens_by_subject ON oauth_tokens (subject_id, id);

-- Clients of OAuth 2.0. Lists are JSON arrays in the order they were given.
CREATE TABLE oauth_clients (
	id                     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	folder_id              TEXT COLLATE "C" NOT NULL REFERENCES folders (id),
	name                   TEXT COLLATE "C" NOT NULL,
	redirect_uris          TEXT COLLATE "C" NOT NULL,
	post_logout_uris       TEXT COLLATE "C" NOT NULL,
	scopes                 TEXT COLLATE "C" NOT NULL,
	authentication_methods TEXT COLLATE "C" NOT NULL,
	profile_id             TEXT COLLATE "C" NOT NULL,
	pkce_required          BIGINT NOT NULL,
	created_at             BIGINT,
	UNIQUE (folder_id, name)
);
CREATE INDEX oauth_clients_by_folder ON oauth_clients (folder_id, id);

CREATE TABLE oauth_client_secrets (
	id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	oauth_client_id TEXT COLLATE "C" NOT NULL REFERENCES oauth_clients (id),
	description     TEXT COLLATE "C" NOT NULL,
	masked_secret   TEXT COLLATE "C" NOT NULL,
	lookup          TEXT COLLATE "C" NOT NULL UNIQUE,
	hash            BYTEA,
	created_at      BIGINT,
	last_used_at    BIGINT
);
CREATE INDEX oauth_client_secrets_by_client ON oauth_client_secrets (oauth_client_id, id);
