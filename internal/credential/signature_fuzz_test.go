package credential_test

import (
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
)

// FuzzStringToSign: whatever the string, no panic; and what is accepted as
// version 4 has one spelling, that of what the service said of it.
func FuzzStringToSign(f *testing.F) {
	for _, s := range published {
		f.Add(s.StringToSign, "us-east-1", "s3", when(s).Unix(), s.V2)
	}
	f.Add(good4.StringToSign, "ru-central1", "s3", start.Unix(), "")
	f.Add("AWS4-HMAC-SHA256\n\n///aws4_request\n", "", "", int64(0), "")
	f.Add("\n\n\n\n/", "", "", int64(-1), "HMAC_SHA256")
	f.Fuzz(func(t *testing.T, text, region, service string, at int64, v2 string) {
		if at < 0 || at > 1<<36 {
			return
		}
		now := time.Unix(at, 0).UTC()
		s := credential.Signature{AccessKeyID: "AKIDEXAMPLE", StringToSign: text, Region: region, Service: service, SignedAt: now, V2: v2}
		w := newAccessWorld()
		if v2 != "" {
			_, _ = w.prove(now, s)
			return
		}
		if _, err := w.prove(now, sign(suiteSecret, s)); err != nil {
			return
		}
		digest := text[strings.LastIndexByte(text, '\n')+1:]
		if want := v4("AKIDEXAMPLE", now.Format("20060102T150405Z"), region, service, digest, "").StringToSign; text != want {
			t.Errorf("accepted %q, which is not %q", text, want)
		}
		if w.lookups[0] != "AKIDEXAMPLE" {
			t.Errorf("looked up %v", w.lookups)
		}
	})
}
