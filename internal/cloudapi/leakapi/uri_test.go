package leakapi

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/credential"
)

func TestAddressesWithoutSecrets(t *testing.T) {
	key, _ := credential.NewAPIKey()
	secret := key.Reveal()
	_, static := credential.NewAccessKey()
	token := "t1." + strings.Repeat("9euelZ", 40) + "." + strings.Repeat("x", 86)
	for uri, want := range map[string]string{
		"":  "",
		"-": "-",
		"https://git.example/a/b/blob/main/x.go#L10-L12":                             "https://git.example/a/b/blob/main/x.go#L10-L12",
		"https://user:word@git.example/a@b":                                          "https://****@git.example/a@b",
		"https://a@b:word@git.example/":                                              "https://****@git.example/",
		"https://git.example/a?ref=main&private_token=abc&flag":                      "https://git.example/a?ref=****&private_token=****&flag",
		"https://git.example/a#access_token=abc&x=y":                                 "https://git.example/a#access_token=****&x=****",
		"https://git.example/a?b=c#L3":                                               "https://git.example/a?b=****#L3",
		"https://git.example/" + secret + "/x":                                       "https://git.example/AQVN****/x",
		"https://git.example/key_" + static.Reveal() + ".txt":                        "https://git.example/key_YC****" + static.Reveal()[36:] + ".txt",
		"https://git.example/key_" + strings.Replace(static.Reveal(), "Y", "%59", 1): "https://git.example/key_YC****" + static.Reveal()[36:],
		"https://git.example/a#" + secret:                                            "https://git.example/a#AQVN****",
		"https://git.example/a%2Fb/" + strings.ReplaceAll(token, ".", "%2E"):         "https://git.example/a/b/t1.****",
		"https://git.example/%" + strings.Replace(secret, "A", "%2541", 1):           "https://git.example/%AQVN****",
		"https://git.example/a%2Fb/%zz":                                              "https://git.example/a%2Fb/%zz",
		"git@git.example:a/b.git":                                                    "git@git.example:a/b.git",
		"C:\\Users\\x\\key.json":                                                     "C:\\Users\\x\\key.json",
	} {
		if got := concealURI(uri); got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
}

// Whatever an address is, what looks like a key of ours is not kept of it.
func FuzzConcealURI(f *testing.F) {
	key, _ := credential.NewAPIKey()
	secret := key.Reveal()
	f.Add("https://u:p@h/", "?a=b#c", true)
	f.Add("", "", false)
	f.Add("#", "%41", true)
	f.Add("://@?", "&=", false)
	f.Fuzz(func(t *testing.T, before, after string, escaped bool) {
		mine := secret
		if escaped {
			mine = "%41" + secret[1:]
		}
		if strings.Contains(before+after, secret[:12]) {
			return
		}
		// A letter in front or behind makes it another word.
		if got := concealURI(before + "/" + mine + "/" + after); strings.Contains(got, secret[8:]) {
			t.Errorf("%q", got)
		}
	})
}
