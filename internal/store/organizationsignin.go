package store

import (
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/resource"
)

// SetOrganizationRefreshTokens says what members of a live organization may be
// given. It returns what was said before.
func SetOrganizationRefreshTokens(tx *Tx, organizationID string, to iam.RefreshTokenSetting) (before iam.RefreshTokenSetting, err error) {
	if _, err := lockLive(tx, "Organization", resource.Ref{Kind: resource.Organization, ID: organizationID}); err != nil {
		return "", err
	}
	if before, err = GetOrganizationRefreshTokens(tx, organizationID); err != nil {
		return "", err
	}
	_, err = tx.exec(`INSERT INTO organization_sign_in (organization_id, refresh_tokens) VALUES ($1, $2)
		ON CONFLICT (organization_id) DO UPDATE SET refresh_tokens = excluded.refresh_tokens`, organizationID, string(to))
	return before, err
}

// GetOrganizationRefreshTokens returns what members of an organization may be
// given: nothing where nobody has said anything.
func GetOrganizationRefreshTokens(tx *Tx, organizationID string) (iam.RefreshTokenSetting, error) {
	setting := string(iam.RefreshTokensOff)
	_, err := tx.one(`SELECT refresh_tokens FROM organization_sign_in WHERE organization_id = $1`, []any{organizationID}, &setting)
	return iam.RefreshTokenSetting(setting), err
}

// OrganizationsLimitingRefreshTokens returns the ids of organizations for which
// somebody has said that members may not have every refresh token.
func OrganizationsLimitingRefreshTokens(tx *Tx) ([]string, error) {
	return collect(tx, scanString, `SELECT organization_id FROM organization_sign_in WHERE refresh_tokens <> $1 ORDER BY organization_id`,
		string(iam.RefreshTokensOn))
}

// RefreshTokenSettingsOf returns what each organization says that a person is a
// member of, in the order of their ids.
func RefreshTokenSettingsOf(tx *Tx, userID string) ([]iam.RefreshTokenSetting, error) {
	return collect(tx, func(r Rows) (iam.RefreshTokenSetting, error) {
		var setting string
		err := r.Scan(&setting)
		return iam.RefreshTokenSetting(setting), err
	}, `SELECT COALESCE(s.refresh_tokens, 'OFF') FROM organization_members m
		LEFT JOIN organization_sign_in s ON s.organization_id = m.organization_id
		WHERE m.subject_id = $1 ORDER BY m.organization_id`, userID)
}
