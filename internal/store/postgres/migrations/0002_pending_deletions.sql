-- Clouds and folders that wait for their deletion.
CREATE TABLE pending_deletions (
	resource_id  TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES resources (id),
	kind         TEXT COLLATE "C" NOT NULL,
	delete_after BIGINT NOT NULL,
	operation_id TEXT COLLATE "C" NOT NULL,
	requested_by TEXT COLLATE "C" NOT NULL
);
CREATE INDEX pending_deletions_by_time ON pending_deletions (delete_after);
CREATE INDEX pending_deletions_by_operation ON pending_deletions (operation_id);
