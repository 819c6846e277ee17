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

// FuzzCompactTime: the time is read as the standard library reads it, but for fractions of a second.
func FuzzCompactTime(f *testing.F) {
	for _, s := range []string{
		"20261101T120000Z", "00000101T000000Z", "99991231T235959Z", "20240229T000000Z", "20230229T000000Z", "21000229T000000Z", "20000229T000000Z",
		"20261131T000000Z", "20261001T240000Z", "20261001T006000Z", "20261001T000060Z", "20260001T000000Z", "20261301T000000Z", "20260100T000000Z",
		"20260132T000000Z", "2026 101T120000Z", "20261101t120000Z", "20261101T120000z", "20261101T12000Z", "20261101T1200000Z", "+0261101T120000Z",
		"20261101T1200.0Z", "20261101T12:000Z", "2026110/T120000Z", "２６1101T120000Z", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		const layout = "20060102T150405Z"
		want, err := time.Parse(layout, text)
		known := err == nil && len(text) == len(layout)
		if at, ok := credential.CompactTime(text); ok != known || ok && !at.Equal(want) {
			t.Errorf("%q is %v (%t), want %v (%t)", text, at, ok, want, known)
		}
	})
}
