package server

import (
	"regexp"
	"slices"
	"sync"
)

// LeakSource is a code host or scanner that reports what it has found.
type LeakSource struct {
	ID             string `yaml:"id"`
	ServiceAccount string `yaml:"service-account"` // id of the account whose IAM token it sends
}

// String is the form that flags and the environment take.
func (l LeakSource) String() string { return "id=" + l.ID + " service-account=" + l.ServiceAccount }

func parseLeakSource(text string) (l LeakSource, err error) {
	err = parsePairs(text, pair{"id", &l.ID}, pair{"service-account", &l.ServiceAccount})
	return l, err
}

// leakSourceID is what a request may name, within the wire's bound.
var leakSourceID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`) })

// checkLeaks judges the sources. Two may have one account, not one id.
func (c *Config) checkLeaks(bad reporter) {
	var ids []string
	for _, l := range c.LeakSources {
		if !leakSourceID().MatchString(l.ID) {
			bad("leak-sources", "%q is not an id: up to 63 letters, digits, dots, dashes and underscores", l.ID)
		}
		if l.ServiceAccount == "" {
			bad("leak-sources", "%s: no service-account", l.ID)
		}
		if slices.Contains(ids, l.ID) {
			bad("leak-sources", "%s: its id is another source's", l.ID)
		}
		ids = append(ids, l.ID)
	}
}

// leakSources are the accounts of the sources by their ids.
func (c *Config) leakSources() map[string]string {
	all := make(map[string]string, len(c.LeakSources))
	for _, l := range c.LeakSources {
		all[l.ID] = l.ServiceAccount
	}
	return all
}
