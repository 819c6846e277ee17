package iam

import "time"

// Group is a named set of people and service accounts in an organization; a
// group is never in a group.
type Group struct {
	ID             string
	OrganizationID string
	Name           string // unique within the organization
	Description    string
	Labels         map[string]string
	// SubjectContainerID and ExternalID name what the group stands for elsewhere,
	// as a pair that is unique; both are "" for a group that is not external.
	SubjectContainerID string
	ExternalID         string
	CreatedAt          time.Time
}
