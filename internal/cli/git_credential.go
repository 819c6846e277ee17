package cli

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/propusk/propusk/internal/iam"
)

// gitUser is the name beside an IAM token in a password's place [API fact: so
// it is for container registries].
const gitUser = "iam"

// gitAnswer is what git gets; of the token's end it hears since git 2.41.
type gitAnswer struct {
	token   iam.Secret
	expires expiry
}

// gitCredential is a credential helper of git (gitcredentials(7)): it gives an
// IAM token to the hosts that it is told of, and to no other.
func gitCredential() command {
	return command{verb: "git-credential", takes: "get|store|erase", summary: "give git an IAM token as the password of user " + gitUser, flags: func(f *flag.FlagSet) action {
		var hosts hostList
		f.Var(&hosts, "host", "host, or host:port, that may have the token; may be given several times. Others get no answer. For each: "+
			"git config --replace-all credential.https://HOST.helper '', so that no other helper keeps the token, then "+
			"git config --add credential.https://HOST.helper '!propusk git-credential --host HOST'")
		return func(ctx context.Context, s *session, args []string) error {
			if len(args) != 1 {
				return misuse("say get, store or erase: git does")
			}
			if len(hosts) == 0 {
				return misuse("say by --host which hosts may have the token")
			}
			asked, err := readGitRequest(s.env.Stdin)
			if err != nil {
				return &Misuse{fmt.Errorf("standard input: %w", err)}
			}
			switch args[0] {
			case "get":
				return s.answerGit(ctx, hosts, asked)
			case "erase":
				return s.eraseForGit(hosts, asked)
			}
			return nil // store, and what later versions of git may ask: there is nothing to do
		}
	}}
}

// answerGit prints a token for a host that may have it. Otherwise it prints
// nothing, and git goes on to the next helper.
func (s *session) answerGit(ctx context.Context, hosts hostList, asked *gitRequest) error {
	why, ok := hosts.serve(asked)
	if why != "" {
		s.tell("git gets no token: %s", why)
	}
	if !ok || asked.username != "" && asked.username != gitUser {
		return nil
	}
	if err := s.authenticate(ctx); err != nil {
		return err
	}
	word, err := oneWord(s.bearer.Reveal()) // lines of it would say other things to git
	if err != nil {
		return err
	}
	_, err = io.WriteString(s.env.Stdout, (&gitAnswer{iam.NewSecret(word), s.expires}).text())
	return err
}

func (a *gitAnswer) text() string {
	text := "username=" + gitUser + "\npassword=" + a.token.Reveal() + "\n"
	if !a.expires.IsZero() {
		text += fmt.Sprintf("password_expiry_utc=%d\n", a.expires.Unix())
	}
	return text
}

// eraseForGit forgets the token that a host has refused, so that the next
// command gets a new one.
func (s *session) eraseForGit(hosts hostList, asked *gitRequest) error {
	if _, ok := hosts.serve(asked); !ok || asked.username != "" && asked.username != gitUser {
		return nil
	}
	c, err := s.credential()
	if err != nil || !c.keeps {
		return err
	}
	tokens := s.tokens()
	key := s.tokenKey(c, s.impersonate)
	kept, ok := tokens.Get(key, s.env.Now())
	refused := asked.password.Reveal()
	if ok && refused != "" && subtle.ConstantTimeCompare([]byte(kept.Text.Reveal()), []byte(refused)) != 1 {
		return nil // it is an older one that was refused
	}
	tokens.Drop(key)
	if s.impersonate != "" { // what it was made of may be what ended
		tokens.Drop(s.tokenKey(c, ""))
	}
	return nil
}

// hostList is the hosts that may have a token, in lower case.
type hostList []string

// String implements flag.Value.
func (h *hostList) String() string { return strings.Join(*h, ",") }

// Set implements flag.Value.
func (h *hostList) Set(text string) error {
	u, err := url.Parse("https://" + text)
	if err != nil || text == "" || u.Host != text || u.User != nil || strings.ContainsAny(text, "*%") {
		return fmt.Errorf("%q is no host or host:port", text)
	}
	*h = append(*h, strings.ToLower(text))
	return nil
}

// serve tells whether a request is for a host that may have a token, and why
// such a host gets none all the same. A host without a port is that of its
// protocol alone.
func (h hostList) serve(asked *gitRequest) (why string, ok bool) {
	host := strings.ToLower(asked.host)
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	usual := map[string]string{"https": "443", "http": "80"}[asked.protocol]
	listed := false
	for _, allowed := range h {
		listed = listed || allowed == host || port != "" && port == usual && allowed == strings.TrimSuffix(host, ":"+port)
	}
	switch {
	case !listed || host == "":
		return "", false
	case asked.protocol == "https", asked.protocol == "http" && isLoopback(name):
		return "", true
	case asked.protocol == "http":
		return "a token does not travel without TLS", false
	}
	return "", false // ssh and the like have proofs of their own
}

// gitRequest is what git says of the place that wants a credential. What it
// says besides, such as paths, challenges and capabilities, decides nothing here.
type gitRequest struct {
	protocol, host, username string
	password                 iam.Secret
}

// Bounds of a request: git's own lines are shorter than 64 KiB.
const (
	mostGitRequest = 1 << 20
	mostGitLine    = 64 << 10
)

// readGitRequest reads lines of key=value up to an empty one or the end
// (git-credential(1), input/output format). Of a key that comes twice the last
// counts.
func readGitRequest(in io.Reader) (*gitRequest, error) {
	var r gitRequest
	lines := bufio.NewScanner(io.LimitReader(in, mostGitRequest))
	lines.Buffer(nil, mostGitLine)
	lines.Split(scanLinesAlone)
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			return &r, nil
		}
		key, value, ok := strings.Cut(line, "=")
		switch {
		case !ok || key == "":
			return nil, errors.New("a line is not of the form key=value")
		case strings.ContainsAny(line, "\x00\r"):
			return nil, errors.New("a value holds a character that none may hold")
		}
		switch key {
		case "protocol":
			r.protocol = value
		case "host":
			r.host = value
		case "username":
			r.username = value
		case "password":
			r.password = iam.NewSecret(value)
		case "url":
			if err := r.take(value); err != nil {
				return nil, err
			}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, errors.New("a line is too long")
	}
	return &r, lines.Err()
}

// take fills the request from a URL, which stands for its parts.
func (r *gitRequest) take(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return errors.New("url is no URL of a host")
	}
	*r = gitRequest{protocol: u.Scheme, host: u.Host, username: u.User.Username()}
	if secret, ok := u.User.Password(); ok {
		r.password = iam.NewSecret(secret)
	}
	for _, part := range []string{r.host, r.username, r.password.Reveal()} {
		if strings.ContainsAny(part, "\x00\r\n") {
			return errors.New("a value holds a character that none may hold")
		}
	}
	return nil
}

// scanLinesAlone splits at newlines; bufio.ScanLines would drop a carriage
// return before one, which is part of the value here.
func scanLinesAlone(data []byte, end bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if end && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}
