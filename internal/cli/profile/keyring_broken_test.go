//go:build linux

package profile_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"github.com/propusk/propusk/internal/cli/profile"
)

// broken is a Secret Service that answers with errors of its own making.
type broken struct{ name string }

func (b broken) ReadAlias(string) (dbus.ObjectPath, *dbus.Error) {
	return "", dbus.NewError(b.name, []any{"\x1b[31mno"})
}

// TestBrokenKeyring: what is in the keyring's place is told, and files do.
func TestBrokenKeyring(t *testing.T) {
	for name, want := range map[string]string{
		"org.freedesktop.Secret.Error.IsLocked": "keyring is locked",
		"org.example.Whatever":                  "the system's keyring: ",
	} {
		t.Run(name, func(t *testing.T) {
			address := bus(t)
			conn := connected(t, address)
			if err := conn.Export(broken{name}, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service"); err != nil {
				t.Fatal(err)
			}
			if reply, err := conn.RequestName("org.freedesktop.secrets", dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
				t.Fatal(reply, err)
			}
			k := &kept{path: filepath.Join(t.TempDir(), "config.yaml")}
			in := signedIn(t)
			signIns := profile.SignInsOf(k.path, k.ring(t, "auto", address))
			if err := signIns.Put("default", in); err != nil || len(k.warnings) != 1 || !strings.Contains(k.warnings[0], want) || strings.Contains(k.warnings[0], "\x1b") {
				t.Errorf("%v, %q", err, k.warnings)
			}
			k.expect(t, signIns, in, name)
		})
	}
}
