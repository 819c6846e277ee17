package server

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/upstream"
)

// SignInProvider is where people may sign in instead of here: a provider of
// OpenID Connect by its issuer, or one of plain OAuth 2.0 by its three endpoints.
type SignInProvider struct {
	ID    string `yaml:"id"`
	Title string `yaml:"title"`

	Issuer                string `yaml:"issuer,omitempty"`
	AuthorizationEndpoint string `yaml:"authorization-endpoint,omitempty"`
	TokenEndpoint         string `yaml:"token-endpoint,omitempty"`
	UserinfoEndpoint      string `yaml:"userinfo-endpoint,omitempty"`
	SubjectField          string `yaml:"subject-field,omitempty"` // of what the userinfo endpoint answers, as are the next
	EmailField            string `yaml:"email-field,omitempty"`
	NameField             string `yaml:"name-field,omitempty"`
	LoginField            string `yaml:"login-field,omitempty"`

	ClientID         string       `yaml:"client-id"`
	ClientSecret     ClientSecret `yaml:"client-secret,omitempty"`
	ClientSecretFile string       `yaml:"client-secret-file,omitempty"` // read when the server starts
	Scopes           []string     `yaml:"scopes,omitempty"`

	Match             string   `yaml:"match,omitempty"` // "subject" or "e-mail"
	Domains           []string `yaml:"domains,omitempty"`
	Create            bool     `yaml:"create,omitempty"`
	Organizations     []string `yaml:"organizations,omitempty"`
	TrustEmail        bool     `yaml:"trust-e-mail,omitempty"`
	TrustSecondFactor bool     `yaml:"trust-second-factor,omitempty"`
}

// ClientSecret hides itself however it is printed; a conversion to string is the
// one way to it.
type ClientSecret string

// String hides the secret.
func (c ClientSecret) String() string {
	if c == "" {
		return ""
	}
	return hiddenPassword
}

// GoString hides the secret.
func (c ClientSecret) GoString() string { return c.String() }

// MarshalText hides the secret.
func (c ClientSecret) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// What an account elsewhere is matched by.
const (
	MatchSubject = "subject"
	MatchEmail   = "e-mail"
)

// providerField is one entry of a provider: where its text goes.
type providerField struct {
	key  string
	text *string
	list *[]string
	flag *bool
}

func (p *SignInProvider) fields() []providerField {
	return []providerField{
		{key: "id", text: &p.ID}, {key: "title", text: &p.Title}, {key: "issuer", text: &p.Issuer},
		{key: "authorization-endpoint", text: &p.AuthorizationEndpoint}, {key: "token-endpoint", text: &p.TokenEndpoint},
		{key: "userinfo-endpoint", text: &p.UserinfoEndpoint}, {key: "subject-field", text: &p.SubjectField},
		{key: "email-field", text: &p.EmailField}, {key: "name-field", text: &p.NameField}, {key: "login-field", text: &p.LoginField},
		{key: "client-id", text: &p.ClientID}, {key: "client-secret", text: (*string)(&p.ClientSecret)},
		{key: "client-secret-file", text: &p.ClientSecretFile}, {key: "scopes", list: &p.Scopes}, {key: "match", text: &p.Match},
		{key: "domains", list: &p.Domains}, {key: "create", flag: &p.Create}, {key: "organizations", list: &p.Organizations},
		{key: "trust-e-mail", flag: &p.TrustEmail}, {key: "trust-second-factor", flag: &p.TrustSecondFactor},
	}
}

// String is the form that flags and the environment take, with the secret hidden.
func (p SignInProvider) String() string {
	var words []string
	add := func(key, value string) {
		if strings.ContainsAny(value, " \"\\") {
			value = strconv.Quote(value)
		}
		words = append(words, key+"="+value)
	}
	for _, f := range p.fields() {
		switch {
		case f.key == "client-secret":
			if p.ClientSecret != "" {
				add(f.key, p.ClientSecret.String())
			}
		case f.text != nil && *f.text != "":
			add(f.key, *f.text)
		case f.list != nil && len(*f.list) > 0:
			add(f.key, strings.Join(*f.list, "|"))
		case f.flag != nil && *f.flag:
			add(f.key, "true")
		}
	}
	return strings.Join(words, " ")
}

// parseSignInProvider reads that form. A value with spaces stands in double quotes. No
// error repeats a value: one may be a secret.
func parseSignInProvider(text string) (p SignInProvider, err error) {
	seen := map[string]bool{}
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		var key, value string
		if key, value, text, err = nextWord(text); err != nil {
			return p, err
		}
		if seen[key] {
			return p, fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		if err := p.set(key, value); err != nil {
			return p, err
		}
	}
	return p, nil
}

var providerKey = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z-]{0,40}=`) })

func nextWord(text string) (key, value, rest string, err error) {
	key = providerKey().FindString(text)
	if key == "" {
		return "", "", "", errors.New("an entry must be words of the form key=value; values with spaces stand in double quotes")
	}
	text, key = text[len(key):], strings.TrimSuffix(key, "=")
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", "", fmt.Errorf("%s has a quote that does not end", key)
		}
		text = text[len(quoted):]
		value, err = strconv.Unquote(quoted)
		if err != nil || text != "" && text[0] != ' ' {
			return "", "", "", fmt.Errorf("%s has a quote that cannot be read", key)
		}
	} else if at := strings.IndexAny(text, " \t\r\n"); at >= 0 {
		value, text = text[:at], text[at:]
	} else {
		value, text = text, ""
	}
	if value == "" {
		return "", "", "", fmt.Errorf("%s is empty", key)
	}
	return key, value, text, nil
}

func (p *SignInProvider) set(key, value string) error {
	var keys []string
	for _, f := range p.fields() {
		keys = append(keys, f.key)
		switch {
		case f.key != key:
			continue
		case f.text != nil:
			*f.text = value
		case f.list != nil:
			*f.list = strings.FieldsFunc(value, func(r rune) bool { return r == '|' || r == ' ' })
		case value != "true" && value != "false":
			return fmt.Errorf("%s is neither true nor false", key)
		default:
			*f.flag = value == "true"
		}
		return nil
	}
	return fmt.Errorf("%q is none of %s", key, strings.Join(keys, ", "))
}

const (
	mostProviders    = 20
	mostSecretFile   = 4 << 10
	longestTitle     = 60
	longestScopes    = 1000
	longestClientID  = 500
	longestFieldName = 100
)

var (
	providerID     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`) })
	providerScope  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`) })
	organizationID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9-]{1,50}$`) })
)

// checkProviders judges the providers one by one, and against each other.
func (c *Config) checkProviders(dev bool, bad reporter) {
	if len(c.Providers) > mostProviders {
		bad("providers", "at most %d", mostProviders)
	}
	if len(c.Providers) > 0 && c.PublicURL == "" && !dev {
		bad("providers", "people come back from a provider to public-url, which is not set")
	}
	ids, owners := map[string]bool{}, map[string]bool{}
	for i := range c.Providers {
		p := &c.Providers[i]
		name := p.ID
		if !providerID().MatchString(name) {
			bad("providers", "entry %d: id must be up to 32 lower-case letters, digits and dashes, as it stands in addresses", i+1)
			name = fmt.Sprint("entry ", i+1)
		}
		say := func(format string, args ...any) { bad("providers", "%s: "+format, append([]any{name}, args...)...) }
		p.check(say)
		authority := p.provider().Authority()
		if ids[p.ID] || owners[authority] && authority != "" {
			say("its id or its issuer is another provider's")
		}
		ids[p.ID], owners[authority] = true, true
	}
}

func (p *SignInProvider) check(say func(format string, args ...any)) {
	if t := []rune(p.Title); len(t) == 0 || len(t) > longestTitle || strings.TrimSpace(p.Title) != p.Title || slices.ContainsFunc(t, unshown) {
		say("title must be 1 to %d characters that can be shown: it stands on a button", longestTitle)
	}
	p.checkAddresses(say)
	if p.ClientID == "" || len(p.ClientID) > longestClientID || strings.ContainsFunc(p.ClientID, unshown) {
		say("client-id must be given, as the provider has told it")
	}
	if p.ClientSecret != "" && p.ClientSecretFile != "" {
		say("client-secret and client-secret-file exclude each other")
	}
	if strings.ContainsFunc(string(p.ClientSecret), unshown) {
		say("client-secret has characters that no secret has")
	}
	if p.Match != "" && p.Match != MatchSubject && p.Match != MatchEmail {
		say("match must be %q or %q", MatchSubject, MatchEmail)
	}
	if len(strings.Join(p.Scopes, " ")) > longestScopes || slices.ContainsFunc(p.Scopes, func(s string) bool { return !providerScope().MatchString(s) }) {
		say("scopes must be words as RFC 6749 has them")
	}
	if p.Issuer != "" && len(p.Scopes) > 0 && !slices.Contains(p.Scopes, "openid") {
		say("scopes must have openid among them")
	}
	for _, d := range p.Domains {
		if !validName(d) || !strings.Contains(d, ".") {
			say("%q in domains is not a domain such as example.com", d)
		}
	}
	if len(p.Organizations) > 0 && !p.Create {
		say("organizations are of accounts that are made here: set create")
	}
	for _, o := range p.Organizations {
		if !organizationID().MatchString(o) {
			say("%q in organizations is not the id of an organization", o)
		}
	}
}

func unshown(r rune) bool { return !strconv.IsPrint(r) }

func (p *SignInProvider) checkAddresses(say func(format string, args ...any)) {
	endpoints := []struct{ key, address string }{
		{"authorization-endpoint", p.AuthorizationEndpoint}, {"token-endpoint", p.TokenEndpoint}, {"userinfo-endpoint", p.UserinfoEndpoint}}
	names := []string{p.SubjectField, p.EmailField, p.NameField, p.LoginField}
	if p.Issuer != "" {
		if err := upstream.CheckAddress(p.Issuer); err != nil {
			say("issuer %v", err)
		} else if strings.Contains(p.Issuer, "?") {
			say("issuer must have no query")
		}
		for _, e := range endpoints {
			if e.address != "" {
				say("%s is told by the issuer: give one or the other", e.key)
			}
		}
		if strings.Join(names, "") != "" {
			say("subject-field and the like are for providers without an issuer")
		}
		return
	}
	for _, e := range endpoints {
		if e.address == "" {
			say("either issuer must be given, or authorization-endpoint, token-endpoint and userinfo-endpoint")
			return
		}
		if err := upstream.CheckAddress(e.address); err != nil {
			say("%s %v", e.key, err)
		}
	}
	for _, n := range names {
		if len(n) > longestFieldName {
			say("a name of a field has more than %d characters", longestFieldName)
		}
	}
}

// provider is what the room of providers takes, without a secret that is in a file.
func (p *SignInProvider) provider() *upstream.Provider {
	or := func(text, fallback string) string {
		if text == "" {
			return fallback
		}
		return text
	}
	scopes := p.Scopes
	if len(scopes) == 0 && p.Issuer != "" {
		scopes = []string{"openid", "email", "profile"}
	}
	return &upstream.Provider{
		ID: p.ID, Title: p.Title, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: iam.NewSecret(string(p.ClientSecret)), Scopes: scopes,
		Endpoints: upstream.Endpoints{Authorization: p.AuthorizationEndpoint, Token: p.TokenEndpoint, Userinfo: p.UserinfoEndpoint},
		Fields: upstream.Fields{Subject: or(p.SubjectField, "sub"), Email: or(p.EmailField, "email"), Name: or(p.NameField, "name"),
			Login: or(p.LoginField, "preferred_username")},
		TrustEmail: p.TrustEmail, Domains: p.Domains, MatchEmail: p.Match == MatchEmail, Create: p.Create,
		Organizations: p.Organizations, TrustSecondFactor: p.TrustSecondFactor,
	}
}

// readProviders reads the secrets that are in files.
func (c *Config) readProviders() ([]upstream.Provider, error) {
	var all []upstream.Provider
	for i := range c.Providers {
		p := c.Providers[i].provider()
		if path := c.Providers[i].ClientSecretFile; path != "" {
			secret, err := readClientSecret(path)
			if err != nil {
				return nil, fmt.Errorf("providers: %s: client-secret-file: %w", p.ID, err)
			}
			p.ClientSecret = secret
		}
		all = append(all, *p)
	}
	return all, nil
}

func readClientSecret(path string) (iam.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return iam.Secret{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostSecretFile+1))
	if err != nil {
		return iam.Secret{}, err
	}
	secret := strings.TrimSpace(string(text))
	if len(text) > mostSecretFile || secret == "" || strings.ContainsFunc(secret, unshown) {
		return iam.Secret{}, fmt.Errorf("%s does not hold a secret: one line of text", path)
	}
	return iam.NewSecret(secret), nil
}
