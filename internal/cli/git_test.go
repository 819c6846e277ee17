package cli_test

import (
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/cli"
)

// git runs the helper as git does, with one host that may have the token.
func (f *fake) git(t *testing.T, hosts, verb, in string) ran {
	t.Helper()
	words := []string{"git-credential"}
	for h := range strings.FieldsSeq(hosts) {
		words = append(words, "--host", h)
	}
	return f.runWith(t, in, strings.Join(append(words, verb), " "))
}

func TestGitGetsATokenForItsHosts(t *testing.T) {
	f := newFake(t)
	const answer = "username=iam\npassword=" + goodToken + "\n"
	const hosts = "git.example.com git.example.com:8443 127.0.0.1:3000 [::1]:3000"
	for in, want := range map[string]string{
		"protocol=https\nhost=git.example.com\n": answer,
		"protocol=https\nhost=git.example.com":   answer,
		"capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.example.com\npath=a/b=c.git\nwwwauth[]=Basic realm=\"x\"\nwwwauth[]=Bearer\n\n": answer,
		"protocol=https\nhost=GIT.example.com\n":                       answer,
		"protocol=https\nhost=git.example.com:443\n":                   answer,
		"protocol=https\nhost=git.example.com:8443\n":                  answer,
		"protocol=https\nhost=git.example.com\nusername=iam\n":         answer,
		"protocol=http\nhost=127.0.0.1:3000\n":                         answer,
		"protocol=http\nhost=[::1]:3000\n":                             answer,
		"url=https://git.example.com/a.git\n":                          answer,
		"protocol=https\nhost=git.example.com\n\nhost=other\n":         answer, // the end is the empty line
		"protocol=https\nhost=git.example.com\nusername=alice\n":       "",
		"protocol=https\nhost=git.example.com:8080\n":                  "",
		"protocol=http\nhost=git.example.com\n":                        "",
		"protocol=http\nhost=git.example.com:443\n":                    "",
		"protocol=ssh\nhost=git.example.com\n":                         "",
		"protocol=https\nhost=other.example.com\n":                     "",
		"protocol=https\nhost=git.example.com.evil.org\n":              "",
		"protocol=https\nhost=evil.org/git.example.com\n":              "",
		"protocol=https\nhost=git.example.com@evil.org\n":              "",
		"protocol=https\n":                                             "",
		"":                                                             "",
		"host=git.example.com\n":                                       "",
		"url=https://evil.org/?https://git.example.com\n":              "",
		"protocol=https\nhost=git.example.com\nurl=https://evil.org\n": "",
	} {
		r := f.git(t, hosts, "get", in)
		if out := r.good(t); out != want {
			t.Errorf("%q: %q, want %q", in, out, want)
		}
	}
	if r := f.git(t, hosts, "get", "protocol=http\nhost=git.example.com\n"); !strings.Contains(r.stderr, "without TLS") {
		t.Errorf("nobody says why: %q", r.stderr)
	}
	for _, verb := range []string{"store", "erase", "approve"} {
		if out := f.git(t, hosts, verb, "protocol=https\nhost=git.example.com\nusername=iam\npassword="+goodToken+"\n").good(t); out != "" {
			t.Errorf("%s answers %q", verb, out)
		}
	}
	for in, text := range map[string]string{
		"protocol=https\nhost\n": "key=value",
		"=x\n":                   "key=value",
		"protocol=https\nhost=git.example.com\r\n":            "none may hold",
		"protocol=https\nhost=git.example.com\x00.evil.org\n": "none may hold",
		"url=https://git.example.com%0a.evil.org/\n":          "no URL",
		"url=https://a%0apassword%3dx@git.example.com/\n":     "none may hold",
		"host=" + strings.Repeat("x", 65<<10) + "\n":          "too long",
	} {
		f.git(t, hosts, "get", in).misused(t, text)
	}
	for _, bad := range []string{"", "*.example.com", "https://git.example.com", "a/b", "u@h", "h?q"} {
		r := f.run(t, nil, "git-credential", "--host", bad, "get")
		if r.err == nil || r.stdout != "" {
			t.Errorf("host %q is taken", bad)
		}
	}
	f.git(t, "", "get", "protocol=https\nhost=git.example.com\n").misused(t, "--host")
	f.git(t, hosts, "", "").misused(t, "get, store or erase")
}

func TestGitHearsWhenTheTokenEnds(t *testing.T) {
	f := newFake(t)
	f.created = &iampb.CreateIamTokenResponse{IamToken: goodToken, ExpiresAt: timestamppb.New(time.Unix(4102444800, 0))}
	r := f.runIn(t, []string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t)}, "protocol=https\nhost=h\n", "git-credential", "--host", "h", "get")
	if out := r.good(t); out != "username=iam\npassword="+goodToken+"\npassword_expiry_utc=4102444800\n" {
		t.Errorf("%q", out)
	}
}

// What a server gives for a token says nothing else to git.
func TestGitIsToldOneToken(t *testing.T) {
	f := newFake(t)
	for _, bad := range []string{"t1.a.b\nhost=evil.example.org", "t1.a.b\rc", "t1.a.b\x00c", "t1.a.b c"} {
		f.created = &iampb.CreateIamTokenResponse{IamToken: bad, ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}
		r := f.runIn(t, []string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t)}, "protocol=https\nhost=h\n", "git-credential", "--host", "h", "get")
		if r.err == nil || r.stdout != "" {
			t.Errorf("%q: git hears %q", bad, r.stdout)
		}
		f.created.IamToken = goodToken + "\r\n" // a line's end around it is none of it
		r = f.runIn(t, []string{"YC_SERVICE_ACCOUNT_KEY_FILE=" + keyText(t)}, "protocol=https\nhost=h\n", "git-credential", "--host", "h", "get")
		if out := r.good(t); !strings.Contains(out, "\npassword="+goodToken+"\npassword_expiry_utc=") {
			t.Errorf("git hears %q", out)
		}
	}
}

// A token that the host has refused is not given twice; one that it did not
// refuse is kept.
func TestGitErases(t *testing.T) {
	f := newFake(t)
	config := profileWithKey(t)
	f.created = &iampb.CreateIamTokenResponse{IamToken: "t1.first.token", ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}
	git := func(verb, password string) string {
		t.Helper()
		in := "protocol=https\nhost=h\nusername=iam\n"
		if password != "" {
			in += "password=" + password + "\n"
		}
		return f.runIn(t, nil, in, "git-credential", "--config", config, "--host", "h", verb).good(t)
	}
	if out := git("get", ""); !strings.Contains(out, "t1.first.token") {
		t.Fatal(out)
	}
	f.created.IamToken = "t1.second.token"
	git("erase", "t1.other.token")
	if out := git("get", ""); !strings.Contains(out, "t1.first.token") {
		t.Errorf("another one was refused: %q", out)
	}
	git("erase", "t1.first.token")
	if out := git("get", ""); !strings.Contains(out, "t1.second.token") {
		t.Errorf("it was refused: %q", out)
	}
}

func FuzzGitRequest(f *testing.F) {
	for _, seed := range []string{"protocol=https\nhost=git.example.com\n\n", "url=https://u:p@h/x\n", "capability[]=authtype\nwwwauth[]=Basic\n",
		"=\n", "a=b=c\n", "host=\x00\n", "host=a\r\n", "password_expiry_utc=1\npath=x y\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		protocol, host, err := cli.GitRequest(strings.NewReader(in))
		if err == nil && strings.ContainsAny(protocol+host, "\x00\r\n") {
			t.Errorf("%q gave %q %q", in, protocol, host)
		}
		if cli.GitServes("git.example.com", protocol, host) && (!strings.EqualFold(strings.TrimSuffix(host, ":443"), "git.example.com") || protocol != "https") {
			t.Errorf("%q gets a token at %q %q", in, protocol, host)
		}
	})
}
