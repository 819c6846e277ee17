package iam

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/store"
)

func TestRefreshTokenFilter(t *testing.T) {
	for text, want := range map[string]store.RefreshTokenFilter{
		"":                     {},
		" \t":                  {},
		`client_id="a"`:        {ClientID: "a"},
		` client_id = "a b=" `: {ClientID: "a b="},
		`client_instance_info="yc/1" AND client_id="a"`:                             {ClientID: "a", ClientInfo: "yc/1"},
		`protection_level="NO_PROTECTION"`:                                          {Protection: []iam.ProtectionLevel{iam.NoProtection}},
		`protection_level IN ("NO_PROTECTION","SECURE_KEY_DPOP") and client_id="a"`: {ClientID: "a", Protection: []iam.ProtectionLevel{iam.NoProtection, iam.SecureKeyDPoP}},
	} {
		got, err := refreshTokenFilter(text)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%q: %v %s", text, err, d)
		}
	}
	for _, text := range []string{
		`x`, `client_id`, `client_id=`, `client_id=a`, `client_id="`, `client_id=""`, `client_id="a\"b"`, `client_id!="a"`, `client_id="a" client_id="b"`,
		`client_id="a" AND`, `client_id="a" AND client_id="b"`, `client_id="a" OR client_instance_info="b"`, `name="a"`, `client_id IN ("a")`,
		`protection_level="LOW"`, `protection_level IN ()`, `protection_level IN ("NO_PROTECTION"`, `protection_level IN "NO_PROTECTION"`,
		`protection_level IN ("NO_PROTECTION" "NO_PROTECTION")`, `AND client_id="a"`, `client_id="a"x`, `(client_id="a")`,
		`protection_level IN ("NO_PROTECTION","NO_PROTECTION","NO_PROTECTION","NO_PROTECTION","NO_PROTECTION","NO_PROTECTION","NO_PROTECTION","NO_PROTECTION","NO_PROTECTION","NO_PROTECTION","NO_PROTECTION")`,
	} {
		_, err := refreshTokenFilter(text)
		var e *iam.Error
		if !errors.As(err, &e) || e.Kind != iam.InvalidArgument || len(e.Fields) != 1 || e.Fields[0].Field != "filter" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzRefreshTokenFilter(f *testing.F) {
	f.Add(`client_instance_info="yc/1" AND protection_level IN ("NO_PROTECTION", "SECURE_KEY_DPOP")`)
	f.Add(`client_id = "a`)
	f.Add(`protection_level IN (((`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := refreshTokenFilter(text)
		if err != nil {
			if iam.KindOf(err) != iam.InvalidArgument {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		for _, level := range got.Protection {
			if _, ok := protectionLevels[level]; !ok {
				t.Errorf("%q: a level %q", text, level)
			}
		}
	})
}
