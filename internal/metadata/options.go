package metadata

import "github.com/propusk/propusk/internal/iam"

// Switch is a setting of a metadata address; numbers are the API's
// [API fact: compute.v1.MetadataOption].
type Switch uint8

// The positions of a Switch.
const (
	Unset    Switch = iota // as withDefaults decides
	Enabled                // the words are those of settings
	Disabled               //
)

// ParseSwitch reads "enabled" or "disabled".
func ParseSwitch(text string) (Switch, error) {
	switch text {
	case "enabled":
		return Enabled, nil
	case "disabled":
		return Disabled, nil
	}
	return Unset, iam.Errorf(iam.InvalidArgument, "%q is neither enabled nor disabled", text)
}

// Options say which manners an address has and which of them give credentials
// [API fact: metadata options]. Unset, IMDSv1 is off and all others are on: a
// request of IMDSv1 is one that any program can be talked into sending.
type Options struct {
	GCEEndpoint, GCEToken     Switch
	AWSv1Endpoint, AWSv1Token Switch
	AWSv2Endpoint, AWSv2Token Switch
}

func (o Options) withDefaults(function bool) Options {
	or := func(s *Switch, def Switch) {
		if *s == Unset {
			*s = def
		}
	}
	if function { // which have two switches, for the endpoints alone
		o.GCEToken, o.AWSv1Token, o.AWSv2Endpoint, o.AWSv2Token = Enabled, Enabled, Disabled, Disabled
	}
	or(&o.GCEEndpoint, Enabled)
	or(&o.GCEToken, Enabled)
	or(&o.AWSv1Endpoint, Disabled)
	or(&o.AWSv1Token, Disabled)
	or(&o.AWSv2Endpoint, Enabled)
	or(&o.AWSv2Token, Enabled)
	return o
}
