package oauthapi

import (
	"context"
	"errors"
	"strings"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/cloudapi"
	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/oauthclient"
	"github.com/propusk/propusk/internal/resource"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

var exchangeRules = []gate.Rule{
	{Method: "ExchangeToken", Proof: gate.Body, Effect: gate.Issues, Event: "iam.CreateIamToken"},
}

// Token types (RFC 8693 section 3). The last is how a script that is in use
// spells the first [API fact: token exchange].
const (
	typeAccessToken    = "urn:ietf:params:oauth:token-type:access_token"
	typeJWT            = "urn:ietf:params:oauth:token-type:jwt"
	typeIDToken        = "urn:ietf:params:oauth:token-type:id_token"
	typeMisspeltAccess = "urn:ietf:params:oauth-token-type:access_token"
)

// Exchanges exchanges tokens (RFC 8693): the IAM token of somebody who may act in
// the name of a service account for one of the account's, and an OAuth token or a
// JWT of a service account for an IAM token of its owner.
type Exchanges struct {
	Clients  *Clients
	Minter   *mint.Minter
	Accounts cloudapi.Accounts
	IAMToken *credential.IAMToken
	// Created proves what IamTokenService.Create takes: the same instance, so
	// that a JWT with an id is good once, wherever it is shown.
	Created func(ctx context.Context, r proto.Message) (*credential.Identity, error)
	Issuer  func() (string, error)
	Now     func() time.Time
}

// exchange is what a request comes to.
type exchange struct {
	of      string // iamToken, oauthToken or jwt
	account string // whose token is asked for; "": the subject's own
	scope   string // to be repeated in the answer
}

const (
	ofIAMToken   = "iamToken"
	ofOAuthToken = "oauthToken"
	ofJWT        = "jwt"
)

// ProveSubject proves whom the subject token stands for, and the client when one
// has named itself. What is wrong with the request is said before a JWT is used up.
func (e *Exchanges) ProveSubject(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.ExchangeTokenRequest)
	what, err := e.read(r)
	if err != nil {
		return nil, err
	}
	if p := r.GetClient(); p.GetClientId() != "" || p.GetClientSecret() != "" {
		if _, err := e.Clients.Prove(ctx, p); err != nil {
			return nil, err
		}
		gate.From(ctx).Note("client_id", p.GetClientId())
	}
	switch what.of {
	case ofIAMToken:
		return e.IAMToken.Prove(ctx, r.GetSubjectToken())
	case ofOAuthToken:
		return e.Created(ctx, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{
			YandexPassportOauthToken: r.GetSubjectToken()}})
	}
	return e.Created(ctx, &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: r.GetSubjectToken()}})
}

// ExchangeToken makes an IAM token. That of a service account lives no longer than
// the caller's own and dies with it, as by IamTokenService.CreateForServiceAccount.
func (e *Exchanges) ExchangeToken(ctx context.Context, r *propuskpb.ExchangeTokenRequest) (*propuskpb.OAuthTokenResponse, error) {
	what, err := e.read(r)
	if err != nil {
		return nil, err
	}
	call := gate.From(ctx)
	id := call.Identity
	req := mint.Request{Subject: id.Subject, OrganizationID: id.OrganizationID, FolderID: id.FolderID,
		Position: id.Position, NotAfter: id.NotAfter, DependsOn: id.DependsOn}
	if what.account != "" {
		if err := gate.Require(ctx, "iam.serviceAccounts.createToken", resource.ServiceAccount, what.account); err != nil {
			return nil, ofTarget(err)
		}
		as, err := cloudapi.Impersonate(ctx, e.Accounts, id, what.account, e.Now())
		if err != nil {
			return nil, ofTarget(err)
		}
		req = mint.Request{Subject: as.Subject, OrganizationID: as.OrganizationID, FolderID: as.FolderID,
			Position: as.Position, NotAfter: as.NotAfter, DependsOn: as.DependsOn}
	}
	text, claims, err := e.Minter.Mint(ctx, req)
	if err != nil {
		return nil, err
	}
	call.Issued = claims
	return &propuskpb.OAuthTokenResponse{AccessToken: text, TokenType: bearer, IssuedTokenType: typeAccessToken, Scope: what.scope,
		ExpiresIn: int64(claims.ExpiresAt.Sub(claims.IssuedAt) / time.Second)}, nil
}

// ofTarget words a refusal about the service account in the protocol's way: what
// is hidden and what there never was stay one.
func ofTarget(err error) error {
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind != iam.NotFound && e.Kind != iam.PermissionDenied && e.Kind != iam.FailedPrecondition {
		return err
	}
	return &iam.Error{Kind: e.Kind, Reason: iam.OAuthInvalidTarget, Message: e.Message}
}

// read refuses what cannot be done as it was asked for: a client that limits a
// token and gets one without limits would be mistaken about it.
func (e *Exchanges) read(r *propuskpb.ExchangeTokenRequest) (exchange, error) {
	var what exchange
	switch r.GetRequestedTokenType() {
	case "", typeAccessToken, typeMisspeltAccess:
	default:
		return what, iam.OAuthError(iam.OAuthInvalidRequest, "requested_token_type: only %s is made here", typeAccessToken)
	}
	if r.GetActorToken() != "" || r.GetActorTokenType() != "" {
		return what, iam.OAuthError(iam.OAuthInvalidRequest, "actor_token: who acts in another's name is told by the subject token alone")
	}
	if r.GetSubjectToken() == "" {
		return what, iam.OAuthError(iam.OAuthInvalidRequest, "subject_token is missing")
	}
	for _, s := range iam.ScopesOf(r.GetScope()) {
		if s != oauthclient.ScopeCloud {
			return what, iam.OAuthError(iam.OAuthInvalidScope, "scope: an IAM token cannot be limited; leave it out or ask for %q", oauthclient.ScopeCloud)
		}
		what.scope = s
	}
	issuer, err := e.Issuer()
	if err != nil {
		return what, err
	}
	if t := r.GetResource(); t != "" && strings.TrimSuffix(t, "/") != issuer {
		return what, iam.OAuthError(iam.OAuthInvalidTarget, "resource: an IAM token is good at every service; leave it out or name %s", issuer)
	}
	if t := r.GetAudience(); strings.TrimSuffix(t, "/") != issuer {
		what.account = t
	}
	return what, what.readSubject(r)
}

// readSubject tells what the subject token is, and whether it goes with the audience.
func (what *exchange) readSubject(r *propuskpb.ExchangeTokenRequest) error {
	switch r.GetSubjectTokenType() {
	case "":
		return iam.OAuthError(iam.OAuthInvalidRequest, "subject_token_type is missing")
	case typeAccessToken:
		what.of = ofIAMToken
		if credential.OAuthTokenForm(r.GetSubjectToken()) {
			what.of = ofOAuthToken
		}
	case typeJWT:
		what.of = ofJWT
		if what.account != "" {
			return errNoWorkload
		}
	case typeIDToken:
		return errNoWorkload
	default:
		return iam.OAuthError(iam.OAuthInvalidRequest, "subject_token_type: the types are %s of an IAM or OAuth token and %s of a service account's own JWT", typeAccessToken, typeJWT)
	}
	switch {
	case what.of == ofIAMToken && what.account == "":
		return iam.OAuthError(iam.OAuthInvalidRequest, "audience is missing: the id of the service account whose token an IAM token is exchanged for")
	case what.of == ofOAuthToken && what.account != "":
		return iam.OAuthError(iam.OAuthInvalidTarget, "audience: an OAuth token is exchanged for an IAM token of its own person; exchange that for one of the service account")
	}
	return nil
}

var errNoWorkload = iam.OAuthError(iam.OAuthInvalidTarget,
	"subject_token: workload identity federations are not set up on this server, so a token of another issuer stands for nobody here; "+
		"a service account's own JWT comes with the type %s and no audience", typeJWT)
