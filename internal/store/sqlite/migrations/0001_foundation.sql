-- Times are microseconds since 1970 UTC; a time that may be absent is NULL.
-- Flags are 0 or 1. Labels are JSON objects.

CREATE TABLE settings (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The change feed. seq comes from the one row of feed_head.
CREATE TABLE feed_head (
	one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
	seq INTEGER NOT NULL
) STRICT;
INSERT INTO feed_head (one, seq) VALUES (1, 0);

CREATE TABLE changes (
	seq   INTEGER NOT NULL,
	part  INTEGER NOT NULL,
	kind  TEXT NOT NULL,
	key   TEXT NOT NULL,
	nonce TEXT NOT NULL,
	PRIMARY KEY (seq, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE revocations (
	kind       INTEGER NOT NULL,
	hash       BLOB NOT NULL,
	seq        INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (kind, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_by_seq ON revocations (seq);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

-- The tree. Rows stay after deletion, so that an id is never used twice.
CREATE TABLE resources (
	id              TEXT NOT NULL PRIMARY KEY,
	kind            TEXT NOT NULL,
	parent_id       TEXT REFERENCES resources (id),
	organization_id TEXT NOT NULL,
	deleted_at      INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE organizations (
	id          TEXT NOT NULL PRIMARY KEY REFERENCES resources (id),
	name        TEXT NOT NULL,
	title       TEXT NOT NULL,
	description TEXT NOT NULL,
	labels      TEXT NOT NULL,
	created_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX organizations_by_name ON organizations (name, id);

CREATE TABLE clouds (
	id              TEXT NOT NULL PRIMARY KEY REFERENCES resources (id),
	organization_id TEXT NOT NULL REFERENCES organizations (id),
	name            TEXT NOT NULL,
	description     TEXT NOT NULL,
	labels          TEXT NOT NULL,
	created_at      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX clouds_by_organization ON clouds (organization_id, id);
CREATE INDEX clouds_by_name ON clouds (name, id);

CREATE TABLE folders (
	id          TEXT NOT NULL PRIMARY KEY REFERENCES resources (id),
	cloud_id    TEXT NOT NULL REFERENCES clouds (id),
	name        TEXT NOT NULL,
	description TEXT NOT NULL,
	labels      TEXT NOT NULL,
	status      TEXT NOT NULL,
	created_at  INTEGER,
	UNIQUE (cloud_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX folders_by_cloud ON folders (cloud_id, id);

CREATE TABLE service_accounts (
	id                    TEXT NOT NULL PRIMARY KEY REFERENCES resources (id),
	folder_id             TEXT NOT NULL REFERENCES folders (id),
	cloud_id              TEXT NOT NULL REFERENCES clouds (id),
	name                  TEXT NOT NULL,
	description           TEXT NOT NULL,
	labels                TEXT NOT NULL,
	status                TEXT NOT NULL,
	suspend_reason        TEXT NOT NULL,
	expires_at            INTEGER,
	created_at            INTEGER,
	last_authenticated_at INTEGER,
	UNIQUE (cloud_id, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX service_accounts_by_folder ON service_accounts (folder_id, id);

CREATE TABLE authorized_keys (
	id                 TEXT NOT NULL PRIMARY KEY,
	service_account_id TEXT NOT NULL REFERENCES service_accounts (id),
	description        TEXT NOT NULL,
	algorithm          TEXT NOT NULL,
	public_key         TEXT NOT NULL,
	created_at         INTEGER,
	last_used_at       INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX authorized_keys_by_account ON authorized_keys (service_account_id, id);

CREATE TABLE user_accounts (
	id                    TEXT NOT NULL PRIMARY KEY,
	login                 TEXT NOT NULL UNIQUE,
	email                 TEXT NOT NULL,
	name                  TEXT NOT NULL,
	created_at            INTEGER,
	last_authenticated_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE organization_members (
	organization_id TEXT NOT NULL REFERENCES organizations (id),
	subject_id      TEXT NOT NULL,
	created_at      INTEGER NOT NULL,
	PRIMARY KEY (organization_id, subject_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX organization_members_by_subject ON organization_members (subject_id, organization_id);

CREATE TABLE groups (
	id              TEXT NOT NULL PRIMARY KEY,
	organization_id TEXT NOT NULL REFERENCES organizations (id),
	name            TEXT NOT NULL,
	description     TEXT NOT NULL,
	created_at      INTEGER,
	UNIQUE (organization_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE group_members (
	group_id     TEXT NOT NULL REFERENCES groups (id),
	subject_id   TEXT NOT NULL,
	subject_type TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	PRIMARY KEY (group_id, subject_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_by_subject ON group_members (subject_id, group_id);

CREATE TABLE access_bindings (
	resource_id     TEXT NOT NULL REFERENCES resources (id),
	subject_id      TEXT NOT NULL,
	role_id         TEXT NOT NULL,
	subject_type    TEXT NOT NULL,
	organization_id TEXT NOT NULL,
	created_at      INTEGER NOT NULL,
	PRIMARY KEY (resource_id, subject_id, role_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_bindings_by_subject ON access_bindings (subject_id, organization_id, resource_id);

CREATE TABLE operations (
	id            TEXT NOT NULL PRIMARY KEY,
	resource_id   TEXT NOT NULL,
	description   TEXT NOT NULL,
	created_by    TEXT NOT NULL,
	created_at    INTEGER NOT NULL,
	modified_at   INTEGER NOT NULL,
	done          INTEGER NOT NULL,
	metadata_type TEXT NOT NULL,
	metadata      BLOB,
	response_type TEXT NOT NULL,
	response      BLOB,
	error_kind    INTEGER NOT NULL,
	error_text    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_by_resource ON operations (resource_id, created_at, id);

CREATE TABLE idempotency_keys (
	subject_id   TEXT NOT NULL,
	method       TEXT NOT NULL,
	key          TEXT NOT NULL,
	request_hash BLOB,
	operation_id TEXT NOT NULL,
	resource_id  TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	PRIMARY KEY (subject_id, method, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

CREATE TABLE signing_keys (
	id            TEXT NOT NULL PRIMARY KEY,
	purpose       TEXT NOT NULL,
	public        BLOB,
	sealed        BLOB,
	created_at    INTEGER NOT NULL,
	signs_from    INTEGER NOT NULL,
	signs_until   INTEGER,
	distrusted_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_events (
	id              TEXT NOT NULL PRIMARY KEY,
	event_time      INTEGER NOT NULL,
	event_type      TEXT NOT NULL,
	subject_id      TEXT NOT NULL,
	organization_id TEXT NOT NULL,
	status          TEXT NOT NULL,
	body            TEXT NOT NULL
) STRICT;
CREATE INDEX audit_events_by_time ON audit_events (event_time, id);

CREATE TABLE audit_segments (
	node         TEXT NOT NULL,
	incarnation  TEXT NOT NULL,
	start_offset INTEGER NOT NULL,
	length       INTEGER NOT NULL,
	first_time   INTEGER NOT NULL,
	last_time    INTEGER NOT NULL,
	chain_head   BLOB,
	data         BLOB,
	PRIMARY KEY (node, incarnation, start_offset)
) STRICT;
CREATE INDEX audit_segments_by_time ON audit_segments (first_time, node, incarnation, start_offset);

CREATE TABLE audit_checkpoints (
	node        TEXT NOT NULL,
	incarnation TEXT NOT NULL,
	end_offset  INTEGER NOT NULL,
	head        BLOB,
	noted_at    INTEGER NOT NULL,
	PRIMARY KEY (node, incarnation)
) STRICT, WITHOUT ROWID;
