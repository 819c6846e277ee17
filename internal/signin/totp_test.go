package signin_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/signin"
)

// RFC 4226, appendix D; RFC 6238, appendix B, the last six of its eight digits.
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for step, want := range map[int64]string{
		0: "755224", 1: "287082", 2: "359152", 9: "520489",
		1111111109 / 30: "081804", 1111111111 / 30: "050471", 1234567890 / 30: "005924", 2000000000 / 30: "279037", 20000000000 / 30: "353130",
	} {
		if got := signin.TOTPCode(secret, step); got != want {
			t.Errorf("step %d: %s, want %s", step, got, want)
		}
	}
}

func TestTOTPStepOf(t *testing.T) {
	secret := signin.NewTOTPSecret()
	now := time.Unix(1_700_000_010, 0)
	step := now.Unix() / 30
	for d := int64(-3); d <= 3; d++ {
		got, ok := signin.TOTPStepOf(secret, signin.TOTPCode(secret, step+d), now)
		near := d >= -1 && d <= 1
		if ok != near || near && got != step+d {
			t.Errorf("%+d steps: %d, %v", d, got-step, ok)
		}
	}
	code := signin.TOTPCode(secret, step)
	if _, ok := signin.TOTPStepOf(secret, code[:3]+" "+code[3:], now); !ok {
		t.Error("a space matters")
	}
	for _, wrong := range []string{"", "0", code[:5], code + "0", "+" + code[1:], "      "} {
		if _, ok := signin.TOTPStepOf(secret, wrong, now); ok {
			t.Errorf("%q fits", wrong)
		}
	}
}

func TestTOTPURL(t *testing.T) {
	secret := []byte("12345678901234567890")
	text := signin.TOTPURL("id & co", "a+b:c", secret).Reveal()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme != "otpauth" || u.Host != "totp" || u.EscapedPath() != "/id%20%26%20co:a%2Bb%3Ac" ||
		q.Get("issuer") != "id & co" || q.Get("secret") != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || q.Get("digits") != "6" {
		t.Errorf("%s", text)
	}
}

func TestRecoveryCodes(t *testing.T) {
	codes, hashes := signin.NewRecoveryCodes("aje1")
	if len(codes) != 10 || len(hashes) != 10 {
		t.Fatalf("%d codes, %d hashes", len(codes), len(hashes))
	}
	seen := map[string]bool{}
	for i, c := range codes {
		if len(c) != 19 || seen[c] || signin.RecoveryHash("aje1", c) != hashes[i] {
			t.Errorf("code %d has %d characters, or is there twice, or is not what is kept", i, len(c))
		}
		seen[c] = true
		if signin.RecoveryHash("aje2", c) == hashes[i] {
			t.Error("two people's hashes of a code are the same")
		}
	}
	same := signin.RecoveryHash("aje1", "0123-1abc-defg-hjkm")
	for _, typed := range []string{"01231abcdefghjkm", "O123-IABC-DEFG-HJKM", " o123 labc defg hjkm "} {
		if signin.RecoveryHash("aje1", typed) != same {
			t.Errorf("%q is another code", typed)
		}
	}
	if signin.RecoveryHash("aje1", "0123-1abc-defg-hjkn") == same {
		t.Error("two codes are one")
	}
}
