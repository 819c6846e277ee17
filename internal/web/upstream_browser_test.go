package web_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/web"
)

// TestElsewhereInABrowser walks the pages of signing in at another provider with a
// real browser.
func TestElsewhereInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a browser is started")
	}
	s := httptest.NewServer(pages(newDoor(t, newTown(), func(c *web.Config) {
		c.Joining = web.Joining{Mails: true, SignUpByMail: true}
		c.Providers = []web.Provider{{ID: "one", Title: "Google Workspace"}, {ID: "two", Title: harm},
			{ID: "three", Title: strings.Repeat("Длинное название ", 3) + "Вход"}, {ID: "four", Title: strings.Repeat("W", 60)}}
	})))
	defer s.Close()
	walkInABrowser(t, "elsewhere.mjs", "elsewhere", map[string]string{"BASE_URL": s.URL})
}
