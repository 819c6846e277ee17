package iam

// The roles of owners. They are handed out and taken away by their holders
// alone, and where somebody holds one, somebody always will
// [API fact: access bindings].
const (
	CloudOwner        RoleID = "resource-manager.clouds.owner"
	OrganizationOwner RoleID = "organization-manager.organizations.owner"
)

// IsOwner tells whether the role makes its holder an owner.
func (r RoleID) IsOwner() bool { return r == CloudOwner || r == OrganizationOwner }
