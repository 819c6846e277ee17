package oauthapi

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/grant"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/oauthclient"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Values of prompt (OpenID Connect Core 1.0 section 3.1.2.1).
const (
	promptNone    = "none"
	promptLogin   = "login"
	promptConsent = "consent"
	promptSelect  = "select_account"
)

// Prompts are the values of prompt that are understood.
func Prompts() []string { return []string{promptNone, promptLogin, promptConsent, promptSelect} }

// mostScopes is how many a program asks for at most.
const mostScopes = 100

// asked is an authorization request whose client and redirect URI are right.
type asked struct {
	*propuskpb.Authorization
	client  *iam.OAuthClient
	issuer  string
	scopes  []string
	prompts []string
	maxAge  time.Duration // since the person has signed in; negative: any
	person  string        // of whom alone the program wants to hear; "" of anybody
}

// refusal is what goes back to the client (RFC 6749 section 4.1.2.1, OpenID
// Connect Core 1.0 section 3.1.2.6).
type refusal struct{ code, description string }

// Codes that only the authorization endpoint answers with.
const (
	loginRequired       = "login_required"
	consentRequired     = "consent_required"
	requestUnsupported  = "request_not_supported"
	uriUnsupported      = "request_uri_not_supported"
	registerUnsupported = "registration_not_supported"
	typeUnsupported     = "unsupported_response_type"
)

var errNoClient = iam.InvalidField("client_id", "there is no such program")

// addressed reads who asks and where the answer goes. It fails with
// INVALID_ARGUMENT of client_id or redirect_uri: nobody is sent anywhere then.
func (s *AuthorizationService) addressed(ctx context.Context, m *propuskpb.Authorization) (*asked, error) {
	if m.GetClientId() == "" {
		return nil, iam.InvalidField("client_id", "is missing")
	}
	client, err := s.Clients.Find(ctx, m.GetClientId())
	if errors.Is(err, iam.NotFound) {
		return nil, errNoClient
	}
	if err != nil {
		return nil, err
	}
	if m.GetRedirectUri() == "" {
		return nil, iam.InvalidField("redirect_uri", "is missing")
	}
	if !oauthclient.Allows(client.ProfileID, client.RedirectURIs, m.GetRedirectUri()) {
		return nil, iam.InvalidField("redirect_uri", "is none of those that the program has registered")
	}
	issuer, err := s.Issuer()
	return &asked{Authorization: m, client: client, issuer: issuer, maxAge: -1}, err
}

// judge reads the rest of a request; no refusal when nothing is wrong with it.
// The person of a hint that can no longer be read is none that is signed in.
func (s *AuthorizationService) judge(ctx context.Context, a *asked) (*refusal, error) {
	if r := a.judge(); r != nil || a.GetIdTokenHint() == "" {
		return r, nil
	}
	hint, err := s.Keys.VerifyHint(ctx, a.GetIdTokenHint(), a.issuer)
	if errors.Is(err, iam.Unauthenticated) {
		return &refusal{loginRequired, "id_token_hint is no ID token of this server, or too old"}, nil
	}
	if err != nil {
		return nil, err
	}
	a.person = hint.Subject
	return nil, nil
}

// judge is that of what needs no look at keys.
func (a *asked) judge() *refusal {
	for _, step := range [...]func() *refusal{a.judgeForm, a.judgeScopes, a.judgeProofs, a.judgePrompt} {
		if r := step(); r != nil {
			return r
		}
	}
	return nil
}

func (a *asked) judgeForm() *refusal {
	for _, u := range [...][2]string{{"request", requestUnsupported}, {"request_uri", uriUnsupported}, {"registration", registerUnsupported}} {
		if slices.Contains(a.GetUnsupported(), u[0]) {
			return &refusal{u[1], "The parameter " + u[0] + " is not supported"}
		}
	}
	switch {
	case len(a.GetUnsupported()) > 0:
		return invalid("A parameter that is not supported was given")
	case a.GetResponseType() == "":
		return invalid("response_type is missing")
	case a.GetResponseType() != "code":
		return &refusal{typeUnsupported, "response_type must be code"}
	case a.GetResponseMode() != "" && a.GetResponseMode() != "query":
		return invalid("response_mode must be query")
	}
	return nil
}

func invalid(description string) *refusal { return &refusal{iam.OAuthInvalidRequest, description} }

func (a *asked) judgeScopes() *refusal {
	scopes, wrong := scopesFor(a.client, a.GetScope())
	a.scopes = scopes
	if wrong != "" {
		return &refusal{iam.OAuthInvalidScope, wrong}
	}
	return nil
}

// scopesFor reads the scopes that a client asks for a person's consent to; wrong
// is not "" when it may not ask for one of them. A client whose owner has listed
// scopes may ask for those alone, any other for those that are about who the
// person is.
func scopesFor(client *iam.OAuthClient, text string) (scopes []string, wrong string) {
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		return nil, "scope has a character that scopes do not have"
	}
	scopes = iam.ScopesOf(text)
	if len(scopes) > mostScopes {
		return nil, "scope has more than " + strconv.Itoa(mostScopes) + " values"
	}
	may := client.Scopes
	if len(may) == 0 {
		may = []string{oauthclient.ScopeOpenID, oauthclient.ScopeProfile, oauthclient.ScopeEmail, oauthclient.ScopeGroups, oauthclient.ScopeOffline}
	}
	for _, s := range scopes {
		if !slices.Contains(may, s) {
			return nil, "The program may not ask for one of the values of scope"
		}
	}
	return scopes, ""
}

func (a *asked) judgeProofs() *refusal {
	switch challenge, method := a.GetCodeChallenge(), a.GetCodeChallengeMethod(); {
	case challenge == "" && method != "":
		return invalid("code_challenge_method without code_challenge")
	case challenge == "" && a.client.PKCERequired:
		return invalid("code_challenge is missing: the program must use PKCE")
	case challenge != "" && method != grant.ChallengeMethod:
		return invalid("code_challenge_method must be " + grant.ChallengeMethod)
	case challenge != "" && !grant.ThumbprintForm(challenge):
		return invalid("code_challenge is not a SHA-256 in base64url")
	case challenge == "" && a.GetState() == "" && (a.GetNonce() == "" || !slices.Contains(a.scopes, oauthclient.ScopeOpenID)):
		return invalid("One of code_challenge, state and, with openid in scope, nonce is needed, so that nobody puts an answer of another request in")
	}
	if k := a.GetDpopJkt(); k != "" && !grant.ThumbprintForm(k) {
		return invalid("dpop_jkt is not a SHA-256 in base64url")
	}
	return nil
}

func (a *asked) judgePrompt() *refusal {
	a.prompts = strings.Fields(a.GetPrompt())
	for _, p := range a.prompts {
		if !slices.Contains(Prompts(), p) {
			return invalid("prompt has a value that is not known")
		}
	}
	if len(a.prompts) > 1 && a.prompted(promptNone) {
		return invalid("none in prompt stands alone")
	}
	if text := a.GetMaxAge(); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return invalid("max_age must be whole seconds")
		}
		a.maxAge = time.Duration(n) * time.Second
	}
	return nil
}

func (a *asked) prompted(value string) bool { return slices.Contains(a.prompts, value) }
