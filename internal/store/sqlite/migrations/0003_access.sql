-- Groups become resources with bindings of their own.
INSERT INTO resources (id, kind, parent_id, organization_id, deleted_at)
	SELECT id, 'organization-manager.group', organization_id, organization_id, NULL FROM groups;
ALTER TABLE groups ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';
-- The container (a federation, a user pool) and the id there of an external group; '' for others.
ALTER TABLE groups ADD COLUMN subject_container_id TEXT NOT NULL DEFAULT '';
ALTER TABLE groups ADD COLUMN external_id TEXT NOT NULL DEFAULT '';
CREATE INDEX groups_by_organization ON groups (organization_id, id);
CREATE UNIQUE INDEX groups_by_external_id ON groups (subject_container_id, external_id) WHERE subject_container_id <> '';

-- Roles, API-key scopes and resource types that an operator imported. A role
-- of one organization names it; '' is everybody's.
CREATE TABLE definitions (
	kind            TEXT NOT NULL,
	id              TEXT NOT NULL,
	organization_id TEXT NOT NULL,
	body            TEXT NOT NULL,
	modified_at     INTEGER NOT NULL,
	PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX definitions_by_organization ON definitions (organization_id, kind, id);

-- Resources of other services, below a folder or below each other. A root of
-- its own has neither a parent nor a folder.
CREATE TABLE registered_resources (
	id          TEXT NOT NULL PRIMARY KEY REFERENCES resources (id),
	kind        TEXT NOT NULL,
	parent_id   TEXT REFERENCES resources (id),
	folder_id   TEXT REFERENCES folders (id),
	name        TEXT NOT NULL,
	description TEXT NOT NULL,
	labels      TEXT NOT NULL,
	created_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX registered_resources_by_parent ON registered_resources (parent_id, id);
CREATE INDEX registered_resources_by_folder ON registered_resources (folder_id);

-- Deny rules bound to an organization, cloud or folder. Parameters are a JSON object.
CREATE TABLE access_policies (
	resource_id TEXT NOT NULL REFERENCES resources (id),
	template_id TEXT NOT NULL,
	parameters  TEXT NOT NULL,
	created_at  INTEGER NOT NULL,
	PRIMARY KEY (resource_id, template_id)
) STRICT, WITHOUT ROWID;

-- The bindings of an organization are counted against its quota.
CREATE INDEX access_bindings_by_organization ON access_bindings (organization_id);

-- Limits that differ from the defaults.
CREATE TABLE quota_limits (
	resource_id TEXT NOT NULL REFERENCES resources (id),
	quota_id    TEXT NOT NULL,
	value       INTEGER NOT NULL,
	PRIMARY KEY (resource_id, quota_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE quota_requests (
	id            TEXT NOT NULL PRIMARY KEY,
	resource_id   TEXT NOT NULL REFERENCES resources (id),
	resource_type TEXT NOT NULL,
	status        TEXT NOT NULL,
	limits        TEXT NOT NULL,
	created_by    TEXT NOT NULL,
	created_at    INTEGER NOT NULL,
	modified_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX quota_requests_by_resource ON quota_requests (resource_id, id);
CREATE INDEX quota_requests_by_status ON quota_requests (resource_id, status, id);

-- Which services are enabled in a cloud, and the accounts they act with.
CREATE TABLE service_states (
	resource_id TEXT NOT NULL REFERENCES resources (id),
	service_id  TEXT NOT NULL,
	status      TEXT NOT NULL,
	updated_at  INTEGER NOT NULL,
	PRIMARY KEY (resource_id, service_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE service_agents (
	resource_id        TEXT NOT NULL REFERENCES resources (id),
	service_id         TEXT NOT NULL,
	microservice_id    TEXT NOT NULL,
	service_account_id TEXT NOT NULL,
	PRIMARY KEY (resource_id, service_id, microservice_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX service_agents_by_account ON service_agents (service_account_id);

-- People: the parts of a name, and an e-mail address that leads to one of them.
ALTER TABLE user_accounts ADD COLUMN given_name TEXT NOT NULL DEFAULT '';
ALTER TABLE user_accounts ADD COLUMN family_name TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX user_accounts_by_email ON user_accounts (email) WHERE email <> '';

-- An organization's service accounts in order, among its subjects.
CREATE INDEX service_accounts_by_organization ON resources (organization_id, id)
	WHERE kind = 'iam.serviceAccount' AND deleted_at IS NULL;
