package web_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/propusktest"
)

// TestPasskeysInABrowser goes through the life of a passkey with a real browser and
// a whole server.
func TestPasskeysInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a browser is started")
	}
	w := propusktest.New(t)
	walkInABrowser(t, "passkeys.mjs", "passkeys", map[string]string{
		"BASE_URL": strings.Replace(w.HTTPURL, "127.0.0.1", "localhost", 1), "PASSWORD": w.Server.Dev().Password("alice").Reveal()})
}
