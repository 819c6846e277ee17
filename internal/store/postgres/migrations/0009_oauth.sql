-- How a person last proved himself in a session: words of RFC 8176, joined by spaces.
ALTER TABLE sessions ADD COLUMN methods TEXT COLLATE "C" NOT NULL DEFAULT '';

-- When he last did in it: a session goes on when its person proves himself again.
ALTER TABLE sessions ADD COLUMN authenticated_at BIGINT;
UPDATE sessions SET authenticated_at = created_at;

-- Whether somebody vouches for a person's e-mail address: an operator, an
-- invitation or a message that was sent there, a provider that has looked.
ALTER TABLE user_accounts ADD COLUMN email_verified BIGINT NOT NULL DEFAULT 1;

-- Addresses that differ in the case of ASCII letters alone are one, and are kept in
-- lower case. Where two people have one address now, nobody can say whose it is:
-- nobody vouches for it, and one of them has it in lower case, so that nobody else can.
UPDATE user_accounts SET email_verified = 0 WHERE lower(email) IN
	(SELECT lower(email) FROM user_accounts WHERE email <> '' GROUP BY lower(email) HAVING count(*) > 1);
UPDATE user_accounts SET email = lower(email) WHERE id IN
	(SELECT min(id) FROM user_accounts WHERE email <> '' GROUP BY lower(email) HAVING max(CASE WHEN email = lower(email) THEN 1 ELSE 0 END) = 0);

-- What members of an organization may be given: 'OFF', 'ON', or 'DPOP' for refresh
-- tokens that are bound to a key.
CREATE TABLE organization_sign_in (
	organization_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES organizations (id),
	refresh_tokens  TEXT COLLATE "C" NOT NULL
);

-- What a person has allowed a program, whatever became of it.
CREATE TABLE oauth_consents (
	subject_id   TEXT COLLATE "C" NOT NULL REFERENCES user_accounts (id),
	client_id    TEXT COLLATE "C" NOT NULL,
	scopes       TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT,
	last_used_at BIGINT,
	PRIMARY KEY (subject_id, client_id)
);
CREATE INDEX oauth_consents_by_client ON oauth_consents (client_id);

-- One time that a program was let act for a person: codes and refresh tokens
-- belong to a grant, and what is made of them rests on it.
CREATE TABLE oauth_grants (
	id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	subject_id      TEXT COLLATE "C" NOT NULL REFERENCES user_accounts (id),
	client_id       TEXT COLLATE "C" NOT NULL,
	client_info     TEXT COLLATE "C" NOT NULL,
	session_id      TEXT COLLATE "C" NOT NULL,
	scopes          TEXT COLLATE "C" NOT NULL,
	nonce           TEXT COLLATE "C" NOT NULL,
	methods         TEXT COLLATE "C" NOT NULL,
	key_thumbprint  TEXT COLLATE "C" NOT NULL,
	authenticated_at BIGINT,
	created_at      BIGINT,
	expires_at      BIGINT
);
CREATE INDEX oauth_grants_by_subject ON oauth_grants (subject_id, client_id, id);
CREATE INDEX oauth_grants_by_client ON oauth_grants (client_id);
CREATE INDEX oauth_grants_by_end ON oauth_grants (expires_at);

-- lookup is the SHA-256 of the code in hexadecimal. A used one is kept with its
-- grant, so that a second use is seen.
CREATE TABLE oauth_codes (
	lookup         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	grant_id       TEXT COLLATE "C" NOT NULL REFERENCES oauth_grants (id),
	redirect_uri   TEXT COLLATE "C" NOT NULL,
	code_challenge TEXT COLLATE "C" NOT NULL,
	expires_at     BIGINT,
	used_at        BIGINT
);
CREATE INDEX oauth_codes_by_grant ON oauth_codes (grant_id);
CREATE INDEX oauth_codes_by_end ON oauth_codes (expires_at);

-- id is a UUID; lookup is the SHA-256 of the token in hexadecimal.
CREATE TABLE refresh_tokens (
	id               TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	grant_id         TEXT COLLATE "C" NOT NULL REFERENCES oauth_grants (id),
	subject_id       TEXT COLLATE "C" NOT NULL REFERENCES user_accounts (id),
	client_id        TEXT COLLATE "C" NOT NULL,
	client_info      TEXT COLLATE "C" NOT NULL,
	protection_level TEXT COLLATE "C" NOT NULL,
	lookup           TEXT COLLATE "C" NOT NULL UNIQUE,
	created_at       BIGINT,
	expires_at       BIGINT,
	last_used_at     BIGINT,
	replaced_at      BIGINT
);
CREATE INDEX refresh_tokens_by_subject ON refresh_tokens (subject_id, id);
CREATE INDEX refresh_tokens_by_grant ON refresh_tokens (grant_id);
CREATE INDEX refresh_tokens_by_end ON refresh_tokens (expires_at);

-- Machines without a browser that wait for a person. lookup is the SHA-256 of the
-- device code, user_code that of what the person types, both in hexadecimal.
CREATE TABLE device_codes (
	lookup         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	user_code      TEXT COLLATE "C" NOT NULL UNIQUE,
	client_id      TEXT COLLATE "C" NOT NULL,
	client_info    TEXT COLLATE "C" NOT NULL,
	scopes         TEXT COLLATE "C" NOT NULL,
	key_thumbprint TEXT COLLATE "C" NOT NULL,
	address        TEXT COLLATE "C" NOT NULL,
	wait_seconds   BIGINT NOT NULL,
	created_at     BIGINT,
	expires_at     BIGINT,
	polled_at      BIGINT,
	decided_at     BIGINT,
	grant_id       TEXT COLLATE "C" NOT NULL,
	subject_id     TEXT COLLATE "C" NOT NULL
);
CREATE INDEX device_codes_by_end ON device_codes (expires_at);
CREATE INDEX device_codes_by_subject ON device_codes (subject_id);

-- Public keys of a person's passkeys (WebAuthn).
CREATE TABLE passkeys (
	id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	subject_id    TEXT COLLATE "C" NOT NULL REFERENCES user_accounts (id),
	credential_id TEXT COLLATE "C" NOT NULL UNIQUE,
	name          TEXT COLLATE "C" NOT NULL,
	algorithm     BIGINT NOT NULL,
	public_key    BYTEA,
	sign_count    BIGINT NOT NULL,
	transports    TEXT COLLATE "C" NOT NULL,
	backed_up     BIGINT NOT NULL,
	created_at    BIGINT,
	last_used_at  BIGINT
);
CREATE INDEX passkeys_by_subject ON passkeys (subject_id, id);

-- What a browser was sent away with to come back once: a passkey's challenge, or
-- the state of a sign-in elsewhere. lookup is the SHA-256 of it in hexadecimal.
CREATE TABLE sign_in_challenges (
	lookup     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	purpose    TEXT COLLATE "C" NOT NULL,
	subject_id TEXT COLLATE "C" NOT NULL,
	data       TEXT COLLATE "C" NOT NULL,
	expires_at BIGINT
);
CREATE INDEX sign_in_challenges_by_subject ON sign_in_challenges (subject_id);
CREATE INDEX sign_in_challenges_by_end ON sign_in_challenges (expires_at);

-- Accounts that people have at other providers, by which they sign in here.
CREATE TABLE external_identities (
	provider     TEXT COLLATE "C" NOT NULL,
	external_id  TEXT COLLATE "C" NOT NULL,
	subject_id   TEXT COLLATE "C" NOT NULL REFERENCES user_accounts (id),
	email        TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT,
	last_used_at BIGINT,
	PRIMARY KEY (provider, external_id)
);
CREATE INDEX external_identities_by_subject ON external_identities (subject_id, provider);

-- Links by which people make accounts of their own. lookup is the SHA-256 of the
-- link's text in hexadecimal; organizations is a JSON array of ids.
CREATE TABLE account_invitations (
	id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	lookup        TEXT COLLATE "C" NOT NULL UNIQUE,
	origin        TEXT COLLATE "C" NOT NULL,
	email         TEXT COLLATE "C" NOT NULL,
	name          TEXT COLLATE "C" NOT NULL,
	organizations TEXT COLLATE "C" NOT NULL,
	created_at    BIGINT,
	expires_at    BIGINT
);
CREATE INDEX account_invitations_by_email ON account_invitations (email, origin);
CREATE INDEX account_invitations_by_end ON account_invitations (expires_at);

-- Messages that wait to be sent. They hold links that open accounts, so they are sealed.
CREATE TABLE outgoing_mail (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	sealed     BYTEA,
	created_at BIGINT,
	next_at    BIGINT,
	tries      BIGINT NOT NULL,
	expires_at BIGINT
);
CREATE INDEX outgoing_mail_by_time ON outgoing_mail (next_at);
