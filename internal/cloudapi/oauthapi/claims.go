package oauthapi

import (
	"slices"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/store"
)

// mostGroups is how many of a person's groups a program is told of.
const mostGroups = 1000

// claimsOf is what a program with some scopes is told of a person (OpenID Connect
// Core 1.0 section 5.4). Groups are told by their ids, because names change and
// come back with another meaning, and of one organization alone: that of the
// program. organizationID "" means none.
func claimsOf(tx *store.Tx, userID, organizationID string, scopes []string) (mint.PersonClaims, error) {
	var c mint.PersonClaims
	u, err := store.GetUserAccount(tx, userID)
	if err != nil {
		return c, err
	}
	if slices.Contains(scopes, oauthclient.ScopeProfile) {
		c.Name, c.GivenName, c.FamilyName, c.Login = u.Name, u.GivenName, u.FamilyName, u.Login
	}
	if slices.Contains(scopes, oauthclient.ScopeEmail) {
		c.Email, c.EmailVerified = u.Email, u.Email != "" && !u.EmailUnverified
	}
	if organizationID == "" || !slices.Contains(scopes, oauthclient.ScopeGroups) {
		return c, nil
	}
	groups, err := store.ListGroupsOf(tx, iam.SubjectID(userID), organizationID, store.Page{Limit: mostGroups})
	for _, g := range groups {
		c.Groups = append(c.Groups, g.ID)
	}
	return c, err
}
