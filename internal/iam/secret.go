package iam

import (
	"fmt"
	"log/slog"
)

// Secret is a text that hides itself from logs, %v and JSON. Reveal is the one
// way to the value, so that `grep Reveal` lists every use.
type Secret struct{ value string }

const hidden = "*** hidden ***"

// NewSecret wraps a secret text.
func NewSecret(s string) Secret { return Secret{value: s} }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return s.value }

// Format hides the value whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue hides the value from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the value from every text encoding, JSON among them.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
