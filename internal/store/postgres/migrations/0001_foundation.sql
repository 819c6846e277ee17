-- Times are microseconds since 1970 UTC; a time that may be absent is NULL.
-- Flags are 0 or 1. Labels are JSON objects. Text is compared byte by byte,
-- whatever the database's own collation.

CREATE TABLE settings (
	name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	value TEXT COLLATE "C" NOT NULL
);

-- The change feed. seq comes from the one row of feed_head, which every change
-- rewrites: free space on its page keeps the new versions there.
CREATE TABLE feed_head (
	one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
	seq BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO feed_head (one, seq) VALUES (1, 0);

CREATE TABLE changes (
	seq   BIGINT NOT NULL,
	part  BIGINT NOT NULL,
	kind  TEXT COLLATE "C" NOT NULL,
	key   TEXT COLLATE "C" NOT NULL,
	nonce TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (seq, part)
);

CREATE TABLE revocations (
	kind       BIGINT NOT NULL,
	hash       BYTEA NOT NULL,
	seq        BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (kind, hash)
);
CREATE INDEX revocations_by_seq ON revocations (seq);
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

-- The tree. Rows stay after deletion, so that an id is never used twice.
CREATE TABLE resources (
	id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	kind            TEXT COLLATE "C" NOT NULL,
	parent_id       TEXT COLLATE "C" REFERENCES resources (id),
	organization_id TEXT COLLATE "C" NOT NULL,
	deleted_at      BIGINT
);

CREATE TABLE organizations (
	id          TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES resources (id),
	name        TEXT COLLATE "C" NOT NULL,
	title       TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	labels      TEXT COLLATE "C" NOT NULL,
	created_at  BIGINT
);
CREATE INDEX organizations_by_name ON organizations (name, id);

CREATE TABLE clouds (
	id              TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES resources (id),
	organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
	name            TEXT COLLATE "C" NOT NULL,
	description     TEXT COLLATE "C" NOT NULL,
	labels          TEXT COLLATE "C" NOT NULL,
	created_at      BIGINT
);
CREATE INDEX clouds_by_organization ON clouds (organization_id, id);
CREATE INDEX clouds_by_name ON clouds (name, id);

CREATE TABLE folders (
	id          TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES resources (id),
	cloud_id    TEXT COLLATE "C" NOT NULL REFERENCES clouds (id),
	name        TEXT COLLATE "C" NOT NULL,
	description TEXT COLLATE "C" NOT NULL,
	labels      TEXT COLLATE "C" NOT NULL,
	status      TEXT COLLATE "C" NOT NULL,
	created_at  BIGINT,
	UNIQUE (cloud_id, name)
);
CREATE INDEX folders_by_cloud ON folders (cloud_id, id);

CREATE TABLE service_accounts (
	id                    TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES resources (id),
	folder_id             TEXT COLLATE "C" NOT NULL REFERENCES folders (id),
	cloud_id              TEXT COLLATE "C" NOT NULL REFERENCES clouds (id),
	name                  TEXT COLLATE "C" NOT NULL,
	description           TEXT COLLATE "C" NOT NULL,
	labels                TEXT COLLATE "C" NOT NULL,
	status                TEXT COLLATE "C" NOT NULL,
	suspend_reason        TEXT COLLATE "C" NOT NULL,
	expires_at            BIGINT,
	created_at            BIGINT,
	last_authenticated_at BIGINT,
	UNIQUE (cloud_id, name)
);
CREATE INDEX service_accounts_by_folder ON service_accounts (folder_id, id);

CREATE TABLE authorized_keys (
	id                 TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	service_account_id TEXT COLLATE "C" NOT NULL REFERENCES service_accounts (id),
	description        TEXT COLLATE "C" NOT NULL,
	algorithm          TEXT COLLATE "C" NOT NULL,
	public_key         TEXT COLLATE "C" NOT NULL,
	created_at         BIGINT,
	last_used_at       BIGINT
);
CREATE INDEX authorized_keys_by_account ON authorized_keys (service_account_id, id);

CREATE TABLE user_accounts (
	id                    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	login                 TEXT COLLATE "C" NOT NULL UNIQUE,
	email                 TEXT COLLATE "C" NOT NULL,
	name                  TEXT COLLATE "C" NOT NULL,
	created_at            BIGINT,
	last_authenticated_at BIGINT
);

CREATE TABLE organization_members (
	organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
	subject_id      TEXT COLLATE "C" NOT NULL,
	created_at      BIGINT NOT NULL,
	PRIMARY KEY (organization_id, subject_id)
);
CREATE INDEX organization_members_by_subject ON organization_members (subject_id, organization_id);

CREATE TABLE groups (
	id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
	name            TEXT COLLATE "C" NOT NULL,
	description     TEXT COLLATE "C" NOT NULL,
	created_at      BIGINT,
	UNIQUE (organization_id, name)
);

CREATE TABLE group_members (
	group_id     TEXT COLLATE "C" NOT NULL REFERENCES groups (id),
	subject_id   TEXT COLLATE "C" NOT NULL,
	subject_type TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT NOT NULL,
	PRIMARY KEY (group_id, subject_id)
);
CREATE INDEX group_members_by_subject ON group_members (subject_id, group_id);

CREATE TABLE access_bindings (
	resource_id     TEXT COLLATE "C" NOT NULL REFERENCES resources (id),
	subject_id      TEXT COLLATE "C" NOT NULL,
	role_id         TEXT COLLATE "C" NOT NULL,
	subject_type    TEXT COLLATE "C" NOT NULL,
	organization_id TEXT COLLATE "C" NOT NULL,
	created_at      BIGINT NOT NULL,
	PRIMARY KEY (resource_id, subject_id, role_id)
);
CREATE INDEX access_bindings_by_subject ON access_bindings (subject_id, organization_id, resource_id);

CREATE TABLE operations (
	id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	resource_id   TEXT COLLATE "C" NOT NULL,
	description   TEXT COLLATE "C" NOT NULL,
	created_by    TEXT COLLATE "C" NOT NULL,
	created_at    BIGINT NOT NULL,
	modified_at   BIGINT NOT NULL,
	done          BIGINT NOT NULL,
	metadata_type TEXT COLLATE "C" NOT NULL,
	metadata      BYTEA,
	response_type TEXT COLLATE "C" NOT NULL,
	response      BYTEA,
	error_kind    BIGINT NOT NULL,
	error_text    TEXT COLLATE "C" NOT NULL
);
CREATE INDEX operations_by_resource ON operations (resource_id, created_at, id);

CREATE TABLE idempotency_keys (
	subject_id   TEXT COLLATE "C" NOT NULL,
	method       TEXT COLLATE "C" NOT NULL,
	key          TEXT COLLATE "C" NOT NULL,
	request_hash BYTEA,
	operation_id TEXT COLLATE "C" NOT NULL,
	resource_id  TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	PRIMARY KEY (subject_id, method, key)
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);

CREATE TABLE signing_keys (
	id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	purpose       TEXT COLLATE "C" NOT NULL,
	public        BYTEA,
	sealed        BYTEA,
	created_at    BIGINT NOT NULL,
	signs_from    BIGINT NOT NULL,
	signs_until   BIGINT,
	distrusted_at BIGINT
);

CREATE TABLE audit_events (
	id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	event_time      BIGINT NOT NULL,
	event_type      TEXT COLLATE "C" NOT NULL,
	subject_id      TEXT COLLATE "C" NOT NULL,
	organization_id TEXT COLLATE "C" NOT NULL,
	status          TEXT COLLATE "C" NOT NULL,
	body            TEXT COLLATE "C" NOT NULL
);
CREATE INDEX audit_events_by_time ON audit_events (event_time, id);

CREATE TABLE audit_segments (
	node         TEXT COLLATE "C" NOT NULL,
	incarnation  TEXT COLLATE "C" NOT NULL,
	start_offset BIGINT NOT NULL,
	length       BIGINT NOT NULL,
	first_time   BIGINT NOT NULL,
	last_time    BIGINT NOT NULL,
	chain_head   BYTEA,
	data         BYTEA,
	PRIMARY KEY (node, incarnation, start_offset)
);
CREATE INDEX audit_segments_by_time ON audit_segments (first_time, node, incarnation, start_offset);

CREATE TABLE audit_checkpoints (
	node        TEXT COLLATE "C" NOT NULL,
	incarnation TEXT COLLATE "C" NOT NULL,
	end_offset  BIGINT NOT NULL,
	head        BYTEA,
	noted_at    BIGINT NOT NULL,
	PRIMARY KEY (node, incarnation)
);
