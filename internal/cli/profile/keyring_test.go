//go:build linux

package profile_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

// bus starts a session bus of the test's own and returns its address.
func bus(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"dbus-daemon", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%v, and CI leaves nothing out", err)
			}
			t.Skip(err)
		}
	}
	c := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address=1")
	c.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_RUNTIME_DIR="+t.TempDir())
	line := started(t, c)
	return line
}

// started starts a program that ends with the test, and returns its first line.
func started(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// unlocked starts a Secret Service with an open keyring on a bus.
func unlocked(t *testing.T, address string) {
	t.Helper()
	home := t.TempDir()
	c := exec.Command("gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets", "--control-directory="+filepath.Join(home, "control"))
	c.Env = []string{"DBUS_SESSION_BUS_ADDRESS=" + address, "HOME=" + home, "PATH=" + os.Getenv("PATH"), "XDG_DATA_HOME=" + home, "XDG_RUNTIME_DIR=" + home}
	c.Stdin = strings.NewReader("password of the keyring")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	conn := connected(t, address)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var there bool
		if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.freedesktop.secrets").Store(&there); err != nil {
			t.Fatal(err)
		}
		var collection dbus.ObjectPath
		if there && secrets(conn).Call("org.freedesktop.Secret.Service.ReadAlias", 0, "default").Store(&collection) == nil && collection != "/" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the Secret Service does not start")
		}
	}
}

func connected(t *testing.T, address string) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func secrets(conn *dbus.Conn) dbus.BusObject {
	return conn.Object("org.freedesktop.secrets", "/org/freedesktop/secrets")
}

// lockAll locks what is unlocked.
func lockAll(t *testing.T, address string) {
	t.Helper()
	conn := connected(t, address)
	var collection, prompt dbus.ObjectPath
	var done []dbus.ObjectPath
	if err := secrets(conn).Call("org.freedesktop.Secret.Service.ReadAlias", 0, "default").Store(&collection); err != nil {
		t.Fatal(err)
	}
	if err := secrets(conn).Call("org.freedesktop.Secret.Service.Lock", 0, []dbus.ObjectPath{collection}).Store(&done, &prompt); err != nil {
		t.Fatal(err)
	}
}

// itemsOf counts the items that we have in a keyring.
func itemsOf(t *testing.T, address string) int {
	t.Helper()
	var open, locked []dbus.ObjectPath
	if err := secrets(connected(t, address)).Call("org.freedesktop.Secret.Service.SearchItems", 0, map[string]string{"application": "propusk"}).Store(&open, &locked); err != nil {
		t.Fatal(err)
	}
	return len(open) + len(locked)
}

// kept is a folder of profiles whose secrets go through a keyring.
type kept struct {
	path     string
	warnings []string
}

func (k *kept) ring(t *testing.T, mode, address string) *profile.Keyring {
	t.Helper()
	r, err := profile.OpenKeyring(mode, k.path, func(name string) string {
		if name == "DBUS_SESSION_BUS_ADDRESS" {
			return address
		}
		return ""
	}, func(err error) { k.warnings = append(k.warnings, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// files is everything in the folder, as one text.
func (k *kept) files(t *testing.T) string {
	t.Helper()
	all := ""
	err := filepath.WalkDir(filepath.Dir(k.path), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, rerr := os.ReadFile(path)
			all, err = all+string(text), rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (k *kept) expect(t *testing.T, signIns profile.SignIns, in *profile.SignIn, what string) {
	t.Helper()
	got, err := signIns.Get("default")
	if err != nil || got == nil || got.ID != in.ID || got.RefreshToken.Reveal() != in.RefreshToken.Reveal() || !got.Key.Equal(in.Key) {
		t.Fatalf("%s: %+v, %v", what, got, err)
	}
}

// TestKeyring: with a Secret Service nothing secret is in a file; moving there
// and back leaves no copy; what is locked or gone is told, and not lost.
func TestKeyring(t *testing.T) {
	address := bus(t)
	unlocked(t, address)
	k := &kept{path: filepath.Join(t.TempDir(), "config.yaml")}
	in := signedIn(t)
	inFile := func(want bool, what string) {
		t.Helper()
		text := k.files(t)
		for _, secret := range []string{"rt1.refresh", "PRIVATE KEY", "t1.a.b"} {
			if strings.Contains(text, secret) != want {
				t.Errorf("%s: %q in files: %v", what, secret, !want)
			}
		}
	}
	put := func(mode, address string) profile.SignIns {
		t.Helper()
		ring := k.ring(t, mode, address)
		signIns := profile.SignInsOf(k.path, ring)
		if err := signIns.Put("default", in); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		if err := profile.TokensOf(k.path, ring).Keep(profile.Key("default", "x"), profile.Token{Text: iam.NewSecret("t1.a.b"), IssuedAt: now, ExpiresAt: now.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		k.expect(t, signIns, in, mode)
		if got, ok := profile.TokensOf(k.path, ring).Get(profile.Key("default", "x"), now); !ok || got.Text.Reveal() != "t1.a.b" {
			t.Errorf("%s: the token is not there", mode)
		}
		return signIns
	}
	put("off", address)
	inFile(true, "off")
	if n := itemsOf(t, address); n != 0 {
		t.Errorf("off: %d items", n)
	}
	put("auto", address)
	inFile(false, "auto")
	put("on", address)
	inFile(false, "on, again")
	if n := itemsOf(t, address); n != 2 {
		t.Errorf("%d items of 2: what was replaced stays", n)
	}
	k.expect(t, profile.SignInsOf(k.path, k.ring(t, "off", address)), in, "what is in the keyring is read with off too")
	put("off", address)
	inFile(true, "back to files")
	if n := itemsOf(t, address); n != 0 {
		t.Errorf("back to files: %d items stay", n)
	}
	put("auto", address)
	lockAll(t, address)
	locked := profile.SignInsOf(k.path, k.ring(t, "auto", address))
	if _, err := locked.Get("default"); err == nil || !strings.Contains(err.Error(), "keyring is locked: unlock it first") {
		t.Errorf("locked: %v", err)
	}
	gone := profile.SignInsOf(k.path, k.ring(t, "auto", ""))
	if _, err := gone.Get("default"); err == nil || !strings.Contains(err.Error(), "no system keyring in this session") {
		t.Errorf("gone: %v", err)
	}
	if err := profile.SignInsOf(k.path, k.ring(t, "on", address)).Put("default", in); err == nil {
		t.Error("on: it was kept though the keyring is locked")
	}
	if len(k.warnings) != 0 {
		t.Errorf("warned: %v", k.warnings)
	}
	put("auto", address) // there is no more than files, which is told
	inFile(true, "locked")
	if len(k.warnings) == 0 || !strings.Contains(k.warnings[0], "locked") {
		t.Errorf("warned: %v", k.warnings)
	}
}

// TestKeyringDrop: nothing stays behind.
func TestKeyringDrop(t *testing.T) {
	address := bus(t)
	unlocked(t, address)
	k := &kept{path: filepath.Join(t.TempDir(), "config.yaml")}
	ring := k.ring(t, "auto", address)
	now := time.Now()
	tokens, signIns := profile.TokensOf(k.path, ring), profile.SignInsOf(k.path, ring)
	for _, name := range []string{"a", "a-b"} {
		if err := errors.Join(signIns.Put(name, signedIn(t)), tokens.Keep(profile.Key(name), profile.Token{Text: iam.NewSecret("t1.a.b"), IssuedAt: now, ExpiresAt: now.Add(time.Hour)})); err != nil {
			t.Fatal(err)
		}
	}
	signIns.Drop("a")
	tokens.DropOf("a")
	if n := itemsOf(t, address); n != 2 {
		t.Errorf("%d items of 2", n)
	}
	if _, ok := tokens.Get(profile.Key("a-b"), now); !ok {
		t.Error("the token of another profile went too")
	}
}

// TestManyProcessesAndAKeyring: whoever reads finds a whole token, and of what
// was replaced nothing stays.
func TestManyProcessesAndAKeyring(t *testing.T) {
	address := bus(t)
	unlocked(t, address)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
	t.Setenv(envRing, profile.KeyringAuto)
	folder := t.TempDir()
	children(t, 4, "keep", folder)
	if n := itemsOf(t, address); n != 1 {
		t.Errorf("%d items of 1", n)
	}
	if text, err := os.ReadFile(filepath.Join(folder, "cache", "k.json")); err != nil || strings.Contains(string(text), "t1.") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestNoKeyring: where there is none, files are used, silently and at once.
func TestNoKeyring(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "bus"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range map[string]struct {
		address string
		warned  int
	}{
		"none":      {"", 0},
		"ended":     {"unix:path=/nonexistent/bus", 0},
		"a program": {"unixexec:path=/bin/false", 0},
		"launched":  {"autolaunch:", 0},
		"no keyring, only a bus that starts one without a collection": {bus(t), 0},
		"mute": {"unix:path=" + l.Addr().String(), 1},
	} {
		t.Run(name, func(t *testing.T) {
			k := &kept{path: filepath.Join(t.TempDir(), "config.yaml")}
			in := signedIn(t)
			signIns := profile.SignInsOf(k.path, k.ring(t, "auto", c.address))
			if err := signIns.Put("default", in); err != nil || len(k.warnings) != c.warned {
				t.Errorf("%v, %v", err, k.warnings)
			}
			k.expect(t, signIns, in, name)
			if err := profile.SignInsOf(k.path, k.ring(t, "on", c.address)).Put("default", in); err == nil {
				t.Error("on: kept in a file")
			}
		})
	}
	if _, err := profile.OpenKeyring("maybe", "config.yaml", nil, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", "maybe")) {
		t.Errorf("%v", err)
	}
}

// TestACopyOfTheFolder: it reads what it was copied with, and takes nothing away
// from where it comes from.
func TestACopyOfTheFolder(t *testing.T) {
	address := bus(t)
	unlocked(t, address)
	k := &kept{path: filepath.Join(t.TempDir(), "config.yaml")}
	in := signedIn(t)
	signIns := profile.SignInsOf(k.path, k.ring(t, "auto", address))
	if err := signIns.Put("default", in); err != nil {
		t.Fatal(err)
	}
	copied := &kept{path: filepath.Join(t.TempDir(), "config.yaml")}
	if err := os.CopyFS(filepath.Join(filepath.Dir(copied.path), "sign-in"), os.DirFS(filepath.Join(filepath.Dir(k.path), "sign-in"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(filepath.Dir(copied.path), "sign-in", "default.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	others := profile.SignInsOf(copied.path, copied.ring(t, "auto", address))
	copied.expect(t, others, in, "the copy")
	if err := others.Put("default", signedIn(t)); err != nil {
		t.Fatal(err)
	}
	k.expect(t, signIns, in, "after the copy was signed in anew")
	others.Drop("default")
	k.expect(t, signIns, in, "after the copy was dropped")
	if n := itemsOf(t, address); n != 1 {
		t.Errorf("%d items of 1", n)
	}
}
