package cli

import "strings"

// bound refuses a credential of the profile that proves the person to another
// server than the one that is asked: that one could work as him with what it
// gets, be it the token itself or a JWT, which any server of the API takes. A
// variable that names an endpoint may come from a file that is not his. What he
// says outright, by a flag or a variable, goes where he says.
func (s *session) bound(c *credential) error {
	own, what, instead := s.profiles.Get(s.profileName, "endpoint"), "the credential", "make a profile for that server by init --profile NAME --endpoint"
	if c.signIn != nil && c.signIn.Endpoint != "" {
		own, what = c.signIn.Endpoint, "the sign-in"
	}
	if own == "" || strings.EqualFold(own, s.endpoint) {
		return nil
	}
	asked := "by the profile"
	switch s.endpoint {
	case firstOf(s.profiles.Get(s.profileName, "endpoint"), defaultEndpoint):
		instead = "sign in again by init"
	case s.env.variable(envEndpoint):
		asked = "by $" + envEndpoint
	default:
		asked = "by --endpoint"
	}
	return misuse("%s of profile %q is for %s, and is not sent to %s, which is named %s: %s, or say who you are by --key-file, --token or a variable",
		what, s.profileName, printable(own), printable(s.endpoint), asked, instead)
}
