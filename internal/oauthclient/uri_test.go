package oauthclient_test

import (
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/oauthclient"
)

const (
	web, spa, native = oauthclient.Web, oauthclient.SPA, oauthclient.Native

	all = "web spa native"
)

func TestRedirectURIs(t *testing.T) {
	for _, c := range []struct{ uri, profiles string }{
		{"https://a.example/cb", all}, {"https://a.example", all}, {"https://a.example?x=y", all}, {"https://a.example:8443/cb?next=%2Fhome&x=1", all},
		{"https://xn--e1afmkfd.xn--p1ai/cb", all}, {"https://localhost", all}, {"https://192.0.2.7/cb", all}, {"https://[2001:db8::1]:8443/", all},
		{"https://a.example//b", all}, {"https://a.example/%D1%84", all}, {"https://a_b.example/", all}, {"https://a.example/x@y:z", all},
		{"http://127.0.0.1/cb", all}, {"http://localhost:3000/cb", all}, {"https://" + strings.Repeat("a", 60) + ".example/" + strings.Repeat("b", 923), all},
		{"http://[::1]:80/cb", native}, {"com.example.app:/oauth2redirect", native}, {"myapp://callback", native}, {"myapp://callback/x?y", native},
		{"vscode:///auth", native},

		{"", ""}, {"https", ""}, {"https:", ""}, {"https:/a.example", ""}, {"https://", ""}, {"https:///cb", ""}, {"//a.example/cb", ""}, {"/cb", ""},
		{"a.example/cb", ""}, {"://a.example", ""}, {"1s://a.example", ""}, {"HTTPS://a.example/", ""}, {"https://A.example/", ""},
		{"http://a.example/cb", ""}, {"http://127.0.0.2/cb", ""}, {"http://localhost.example/", ""}, {"http://127.0.0.1.example/", ""},
		{"http://127.1/cb", ""}, {"http://0x7f000001/", ""}, {"http://2130706433/", ""}, {"http://0177.0.0.1/", ""}, {"http://[::ffff:127.0.0.1]/", ""},
		{"https://127.0.0.01/", ""}, {"https://1.2.3.4.5/", ""}, {"https://a.1/", ""},
		{"https://a.example/#f", ""}, {"https://a.example/#", ""}, {"https://u@a.example/", ""}, {"https://u:p@a.example/", ""}, {"https://@a.example/", ""},
		{"https://*.example/", ""}, {"https://a.example/*", ""}, {`https://a.example\@evil.example/`, ""}, {`https://a.example/\cb`, ""},
		{"https://a.example/%2F", ""}, {"https://a.example/%2f%2fevil.example", ""}, {"https://a.example/%5C", ""}, {"https://a.example/%2e%2e/b", ""},
		{"https://a.example/%252F", ""}, {"https://a.example/%00", ""}, {"https://a.example/?x=%0d%0aSet-Cookie", ""}, {"https://a.example/%7f", ""},
		{"https://a.example/%", ""}, {"https://a.example/%4", ""}, {"https://a.example/%zz", ""}, {"https://a.example/?%+1", ""}, {"https://a%2eexample/", ""},
		{"https://a.example/../b", ""}, {"https://a.example/./b", ""}, {"https://a.example/b/..", ""},
		{"https://a.example/a b", ""}, {"https://a.example/\n", ""}, {" https://a.example/", ""}, {"https://a.example/ф", ""}, {"https://ф.example/", ""},
		{"https://a.example/<script>", ""}, {"https://a.example/[x]", ""}, {"https://a.example/\x7f", ""}, {"https://a.example/\x00", ""},
		{"https://a.example:", ""}, {"https://a.example:0/", ""}, {"https://a.example:080/", ""}, {"https://a.example:65536/", ""}, {"https://a.example:80x/", ""},
		{"https://a.example:+80/", ""}, {"https://a.example:80:80/", ""}, {"https://[::1/", ""}, {"https://[::1]8080/", ""}, {"https://[::1]:/", ""},
		{"https://[::1%25lo]/", ""}, {"https://[0:0:0:0:0:0:0:1]/", ""}, {"https://[1.2.3.4]/", ""}, {"https://a..example/", ""}, {"https://a.example./", ""},
		{"https://.example/", ""}, {"https://-a.example/", ""}, {"https://a-.example/", ""}, {"https://" + strings.Repeat("a", 64) + ".example/", ""},
		{"https://" + strings.Repeat("a.", 126) + "aa/", ""}, {"https://a.example/" + strings.Repeat("b", 983), ""},
		{"javascript:alert(1)", ""}, {"javascript://a/%0aalert(1)", ""}, {"data:text/html,x", ""}, {"data:/x", ""}, {"file:///etc/passwd", ""},
		{"vbscript:/x", ""}, {"blob:/x", ""}, {"about:/blank", ""}, {"wss://a.example/", ""}, {"view-source:/x", ""},
		{"urn:ietf:wg:oauth:2.0:oob", ""}, {"myapp:", ""}, {"myapp:callback", ""}, {"myapp://", ""}, {"myapp://?x", ""}, {"myapp://:80/", ""}, {"myapp://u@callback", ""}, {"myapp:/#x", ""},
		{"my_app:/x", ""}, {"MyApp:/x", ""},
	} {
		for _, profile := range []string{web, spa, native} {
			why := oauthclient.WrongURI(profile, c.uri)
			if ok := strings.Contains(c.profiles, profile); ok != (why == "") {
				t.Errorf("%s, %q: %q, want allowed %v", profile, c.uri, why, ok)
			}
			if len(c.uri) > 3 && len(why) > 200 {
				t.Errorf("%q: a text of %d bytes", c.uri, len(why))
			}
		}
	}
}

func TestAllows(t *testing.T) {
	registered := []string{"https://a.example/cb", "https://a.example/cb?x=1", "http://127.0.0.1/cb", "http://localhost:3000/cb?x=1", "http://[::1]/cb", "com.example.app:/cb"}
	for _, c := range []struct{ given, profiles string }{
		{"https://a.example/cb", all}, {"https://a.example/cb?x=1", all}, {"http://127.0.0.1/cb", all}, {"http://localhost:3000/cb?x=1", all},
		{"com.example.app:/cb", all},
		{"http://127.0.0.1:42121/cb", native}, {"http://127.0.0.1:80/cb", native}, {"http://localhost/cb?x=1", native}, {"http://localhost:65535/cb?x=1", native},
		{"http://[::1]:42121/cb", native},

		{"", ""}, {"https://a.example/cb/", ""}, {"https://a.example/CB", ""}, {"https://A.example/cb", ""}, {"https://a.example:443/cb", ""},
		{"https://a.example:8443/cb", ""}, {"https://a.example/cb?x=2", ""}, {"https://a.example/cb?", ""}, {"https://a.example/cb#", ""}, {"https://a.example/cb%2F", ""},
		{"https://a.example/x/../cb", ""}, {"https://a.example/cb&x=1", ""}, {"https://b.example/cb", ""}, {"https://u@a.example/cb", ""},
		{"https://a.example.evil.example/cb", ""}, {`https://evil.example\@a.example/cb`, ""}, {"http://a.example/cb", ""},
		{"http://127.0.0.1:0/cb", ""}, {"http://127.0.0.1:/cb", ""}, {"http://127.0.0.1:65536/cb", ""}, {"http://127.0.0.1:1@evil.example/cb", ""},
		{"http://127.0.0.1:1/cb/", ""}, {"http://127.0.0.1:1/cb?x", ""}, {"http://127.0.0.1:1/cb#x", ""}, {"http://127.0.0.2:1/cb", ""},
		{"http://localhost:1/cb", ""}, {"https://127.0.0.1:1/cb", ""}, {"http://evil.example:1/cb", ""}, {"com.example.app:1/cb", ""}, {"com.example.app://1/cb", ""},
	} {
		for _, profile := range []string{web, spa, native} {
			if got, want := oauthclient.Allows(profile, registered, c.given), strings.Contains(c.profiles, profile); got != want {
				t.Errorf("%s, %q: %v, want %v", profile, c.given, got, want)
			}
		}
	}
}
