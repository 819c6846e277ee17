package profile

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestConfigFolder(t *testing.T) {
	for _, c := range []struct{ system, xdg, home, appdata, profile, want, wantHome string }{
		{"linux", "", "/h", "", "", "/h/.config", "/h"},
		{"linux", "/x", "/h", "", "", "/x", ""},
		{"linux", "x", "/h", "/a", "", "/h/.config", "/h"},
		{"darwin", "", "", "", "/u", "", ""},
		{"windows", "", "/h", "/u/AppData", "/u", "/u/AppData", ""},
		{"windows", "", "/h", "", "/u", "/u/.config", "/u"},
		{"windows", "", "/h", "", "", "", ""},
	} {
		base, home := configFolder(c.system, func(name string) string {
			return map[string]string{"XDG_CONFIG_HOME": c.xdg, "HOME": c.home, "APPDATA": c.appdata, "USERPROFILE": c.profile}[name]
		})
		if base != c.want || home != c.wantHome {
			t.Errorf("%+v: %q, %q", c, base, home)
		}
	}
}

// TestNoHome: a home that is named and not there is none, and is not made.
func TestNoHome(t *testing.T) {
	home := filepath.Join(t.TempDir(), "gone")
	if got, err := Path(func(name string) string { return map[string]string{"HOME": home}[name] }); !errors.Is(err, ErrNoHome) || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}
