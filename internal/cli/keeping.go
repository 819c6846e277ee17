package cli

import "github.com/propusk/propusk/internal/cli/profile"

// openKeyring settles whether secrets are kept in the system's keyring. Nothing
// is asked of it yet.
func (s *session) openKeyring() error {
	if s.ring != nil {
		return nil
	}
	mode := s.setting("", profile.EnvKeyring, "keyring")
	ring, err := profile.OpenKeyring(mode, s.configPath, s.env.variable, func(err error) {
		s.tell("kept in a file, not in the system's keyring: %v", err)
	})
	if err != nil {
		return misuse("$%s, or the property keyring: %w", profile.EnvKeyring, err)
	}
	s.ring = ring
	return nil
}

func (s *session) signIns() profile.SignIns {
	_ = s.openKeyring() // a wrong mode was told before, or else files alone are touched
	return profile.SignInsOf(s.configPath, s.ring)
}

func (s *session) tokens() profile.Tokens {
	_ = s.openKeyring()
	return profile.TokensOf(s.configPath, s.ring)
}

// tokenKey is under what the token of a credential is kept.
func (s *session) tokenKey(c *credential, impersonated string) string {
	return profile.Key(s.profileName, s.endpoint, c.identity(), impersonated)
}

// supersede forgets the sign-in of the profile when it is given another
// credential, as the profile's file forgets the others [API fact: exclusivity].
func (s *session) supersede(property string) {
	switch property {
	case "token", "service-account-key", "instance-service-account":
		s.signIns().Drop(s.profileName)
	}
}
