package iam

// RefreshTokenSetting is what an organization says of refresh tokens of its
// members.
type RefreshTokenSetting string

// The settings.
const (
	RefreshTokensOff  RefreshTokenSetting = "OFF"
	RefreshTokensOn   RefreshTokenSetting = "ON"
	RefreshTokensDPoP RefreshTokenSetting = "DPOP" // only bound to a key of the program's
)

// RefreshTokensAllowed tells whether a person may have a refresh token, by what
// all organizations say that he is a member of; bound says whether it is tied
// to a key. Who belongs to none has nobody to allow it.
func RefreshTokensAllowed(all []RefreshTokenSetting, bound bool) bool {
	for _, s := range all {
		if s != RefreshTokensOn && !(s == RefreshTokensDPoP && bound) {
			return false
		}
	}
	return len(all) > 0
}
