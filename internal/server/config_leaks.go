package server

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
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
	seen := map[string]bool{}
	for _, word := range strings.Fields(text) {
		key, value, ok := strings.Cut(word, "=")
		if !ok || value == "" {
			return l, fmt.Errorf("%q is not of the form key=value", word)
		}
		if seen[key] {
			return l, fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		switch key {
		case "id":
			l.ID = value
		case "service-account":
			l.ServiceAccount = value
		default:
			return l, fmt.Errorf("%q is neither id nor service-account", key)
		}
	}
	return l, nil
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
