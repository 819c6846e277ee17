package credential_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/credential"
)

// What scanners look for, as published.
var (
	publishedKeyID  = regexp.MustCompile(`^YC[A-Za-z0-9_\-]{23}$`)
	publishedSecret = regexp.MustCompile(`^YC[a-zA-Z0-9_\-]{38}$`)
)

func TestNewAccessKey(t *testing.T) {
	seen := map[string]bool{}
	letters := map[byte]int{} // third letters: the first that are drawn
	for range 10_000 {
		id, secret := credential.NewAccessKey()
		text := secret.Reveal()
		if !publishedKeyID.MatchString(id) || !publishedSecret.MatchString(text) {
			t.Fatalf("id %q, a secret of %d characters that begins %.2s", id, len(text), text)
		}
		raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(raw) != 30 {
			t.Fatalf("a secret decodes to %d bytes, %v", len(raw), err)
		}
		if sum := crc32.Checksum(raw[:26], crc32.MakeTable(crc32.Castagnoli)); sum != binary.BigEndian.Uint32(raw[26:]) {
			t.Fatal("a secret's checksum is wrong")
		}
		if seen[id] || seen[text] {
			t.Fatal("made twice")
		}
		seen[id], seen[text] = true, true
		letters[text[2]]++
		if shown := fmt.Sprintf("%v %+v %#v %s", secret, secret, secret, secret); strings.Contains(shown, text[2:]) {
			t.Fatalf("shown: %s", shown)
		}
	}
	if len(letters) != 64 {
		t.Errorf("%d different third letters in secrets, want all 64", len(letters))
	}
}
