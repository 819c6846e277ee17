-- Passwords of people, as PHC strings of argon2id.
CREATE TABLE passwords (
	subject_id TEXT NOT NULL PRIMARY KEY REFERENCES user_accounts (id),
	phc        TEXT NOT NULL,
	changed_at INTEGER
) STRICT, WITHOUT ROWID;

-- Attempts that have not succeeded, by who or what was tried. The text is a
-- person's id or a keyed hash of a login that nobody has.
CREATE TABLE sign_in_attempts (
	id            TEXT NOT NULL PRIMARY KEY,
	attempts      INTEGER NOT NULL,
	last_at       INTEGER,
	blocked_until INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (last_at);

-- Secrets of authenticator apps, by the person's id. One without confirmed_at
-- was begun and counts for nothing; last_step is the last step of RFC 6238 whose
-- code was used.
CREATE TABLE totp_secrets (
	id           TEXT NOT NULL PRIMARY KEY REFERENCES user_accounts (id),
	sealed       BLOB,
	created_at   INTEGER,
	confirmed_at INTEGER,
	last_step    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Recovery codes that have not been used. Only hashes are kept.
CREATE TABLE recovery_codes (
	subject_id TEXT NOT NULL REFERENCES user_accounts (id),
	hash       TEXT NOT NULL,
	PRIMARY KEY (subject_id, hash)
) STRICT, WITHOUT ROWID;

-- Sessions of people. lookup is the SHA-256 of the cookie in hexadecimal.
CREATE TABLE sessions (
	id            TEXT NOT NULL PRIMARY KEY,
	subject_id    TEXT NOT NULL REFERENCES user_accounts (id),
	lookup        TEXT NOT NULL UNIQUE,
	created_at    INTEGER,
	last_seen_at  INTEGER,
	expires_at    INTEGER,
	second_factor INTEGER NOT NULL,
	address       TEXT NOT NULL,
	user_agent    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_subject ON sessions (subject_id, id);
CREATE INDEX sessions_by_seen ON sessions (last_seen_at);

-- What a person was handed to go on with once: a ticket to the second factor, or
-- a link to reset the password. lookup is the SHA-256 of it in hexadecimal.
CREATE TABLE sign_in_tickets (
	lookup     TEXT NOT NULL PRIMARY KEY,
	purpose    TEXT NOT NULL,
	subject_id TEXT NOT NULL REFERENCES user_accounts (id),
	left_tries INTEGER NOT NULL,
	expires_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_tickets_by_subject ON sign_in_tickets (subject_id);
CREATE INDEX sign_in_tickets_by_end ON sign_in_tickets (expires_at);
