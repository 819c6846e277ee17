package iam_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
)

func TestConceal(t *testing.T) {
	long := strings.Repeat("aZ09_-", 40)
	for _, c := range []struct{ given, want string }{
		{"API key AQVN" + long[:36] + " not found", "API key AQVN**** not found"},
		{"API key AQW9" + long[:36] + " not found", "API key AQW9**** not found"},
		{"AQVN" + long[:20] + "…", "AQVN****…"},
		{"Access key YC" + long[:38] + " not found", "Access key YC**** not found"},
		{"Access key YC" + long[:41] + " not found", "Access key YC**** not found"},
		{"Access key YC" + long[:24] + "…", "Access key YC****…"},
		{"Access key YC_" + strings.Repeat("AZ_", 12) + "9 not found", "Access key YC**** not found"},
		{`path "t1.` + long + "." + long[:86] + `" is bad`, `path "t1.****" is bad`},
		{"c1." + long + "==." + long[:86] + "==, s1." + long + "." + long, "c1.****, s1.****"},
		{"rt1." + long[:40], "rt1.****"},
		{"us1." + long[:43] + " ub1." + long[:43], "us1.**** ub1.****"},
		{"y0_" + long[:55] + " or y6_" + long[:100], "y0_**** or y6_****"},
		{"Key eyJ" + long[:30] + ".eyJ" + long[:30] + "." + long + " not found", "Key eyJ**** not found"},
		{"yccs__" + strings.Repeat("0a", 32) + "_" + strings.Repeat("0a", 4), "yccs__****"},
		{"ysc2_" + long[:3] + strings.Repeat("0a", 20) + "0b0c0d0e", "ysc2_****"},
		{`field "\nAQVN` + long[:36] + `" is unknown`, `field "\nAQVN****" is unknown`},
		{`"\u003dYC` + long[:38] + `", "\x00t1.` + long[:40] + `"`, `"\u003dYC****", "\x00t1.****"`},
		{"/keys/key%3DAQVN" + long[:36], "/keys/key%3DAQVN****"},
		{"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----****"},
		{"Cloud AQVN" + long[:36] + " and YC" + long[:38], "Cloud AQVN**** and YC****"},
		{"\xffAQVN" + long[:36], "\xffAQVN****"},

		// What is none stays as it is.
		{"", ""},
		{"Access key YC" + long[:23] + " not found", "Access key YC" + long[:23] + " not found"}, // an id
		{"a token that begins with t1. is expected, not rt1.", "a token that begins with t1. is expected, not rt1."},
		{"a key that begins with AQVN is expected", "a key that begins with AQVN is expected"},
		{"Folder b1g0123456789abcdefy not found", "Folder b1g0123456789abcdefy not found"},
		{"v1.2 of yandex.cloud.iam.v1.ApiKeyService", "v1.2 of yandex.cloud.iam.v1.ApiKeyService"},
		{"host1.internal.example.com/first", "host1.internal.example.com/first"},
		{"give --key-file or $YC_SERVICE_ACCOUNT_KEY_FILE, please", "give --key-file or $YC_SERVICE_ACCOUNT_KEY_FILE, please"},
	} {
		if got := iam.Conceal(c.given); got != c.want {
			t.Errorf("%q: %q, want %q", c.given, got, c.want)
		}
		if again := iam.Conceal(c.want); again != c.want {
			t.Errorf("twice: %q, want %q", again, c.want)
		}
	}
}
