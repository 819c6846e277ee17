-- Clouds and folders that wait for their deletion.
CREATE TABLE pending_deletions (
	resource_id  TEXT NOT NULL PRIMARY KEY REFERENCES resources (id),
	kind         TEXT NOT NULL,
	delete_after INTEGER NOT NULL,
	operation_id TEXT NOT NULL,
	requested_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_deletions_by_time ON pending_deletions (delete_after);
CREATE INDEX pending_deletions_by_operation ON pending_deletions (operation_id);
