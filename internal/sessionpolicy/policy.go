// Package sessionpolicy owns the policy that a temporary access key carries: how
// its JSON is read, and what it allows. A policy only narrows: what it allows,
// the key's subject must be allowed too, and that is said elsewhere.
//
// What is not understood is refused when it is read: a condition that is passed
// over would grant more than its author asked for.
package sessionpolicy

import (
	"fmt"
	"strings"
)

// Policy is a policy that has been read. It is safe for concurrent use.
type Policy struct {
	statements []statement
}

// statement is one rule. What it says of actions is in lower case.
type statement struct {
	deny      bool
	actions   []string
	resources []string
}

// Allows tells whether an action, such as "s3:GetObject", is allowed on a
// resource, such as "arn:aws:s3:::bucket/key" with the key as it is, nothing
// escaped. A statement that denies wins over all that allow, and what no
// statement allows is not allowed, so that a policy without statements allows
// nothing [API fact: a policy with no rules denies all]. The reason is one
// sentence for the caller, empty when it is allowed.
func (p *Policy) Allows(action, resource string) (ok bool, why string) {
	for i := range p.statements {
		s := &p.statements[i]
		if (!ok || s.deny) && s.speaksOf(action, resource) {
			if s.deny {
				return false, fmt.Sprintf("Statement %d of the key's session policy denies %s on %s", i+1, action, resource)
			}
			ok = true
		}
	}
	if !ok {
		return false, fmt.Sprintf("The key's session policy does not allow %s on %s", action, resource)
	}
	return true, ""
}

func (s *statement) speaksOf(action, resource string) bool {
	return matchesAny(s.actions, action, lower) && matchesAny(s.resources, resource, asIs)
}

func matchesAny(patterns []string, text string, fold func(byte) byte) bool {
	for _, p := range patterns {
		if matches(p, text, fold) {
			return true
		}
	}
	return false
}

// What stands before a bucket's name in a resource, and before an action's.
const (
	ResourcePrefix = "arn:aws:s3:::"
	ActionPrefix   = "s3:"
)

// pattern is a text in which runs of * are one; they say the same.
func pattern(text string) string {
	if !strings.Contains(text, "**") {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		if text[i] != '*' || i == 0 || text[i-1] != '*' {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}
