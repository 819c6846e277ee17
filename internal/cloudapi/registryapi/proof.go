package registryapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Prove proves a credential of one kind.
type Prove = func(ctx context.Context, credential iam.Secret) (*credential.Identity, error)

// Users are the ways to prove oneself to a registry, by user names
// [API fact: docker login's user names].
type Users struct {
	IAMToken, OAuthToken, APIKey Prove
	// JWT proves what a key file's owner signs.
	JWT Prove
	// AccountOf is the account that an authorized key belongs to; iam.NotFound when
	// no key has an id.
	AccountOf func(ctx context.Context, keyID string) (string, error)
	// Audience is one that JWT takes.
	Audience string
	Now      func() time.Time
}

// Prove proves the credential in a request; nobody, without an error, when there
// is none. No refusal quotes it.
func (u *Users) Prove(ctx context.Context, m proto.Message) (*credential.Identity, error) {
	r := m.(*propuskpb.IssueRegistryTokenRequest)
	password := iam.NewSecret(r.GetPassword())
	if r.GetUser() == "" && r.GetPassword() == "" {
		return nil, nil
	}
	var prove Prove
	var expects string
	switch r.GetUser() {
	case "iam":
		prove, expects = u.IAMToken, "an IAM token"
	case "oauth":
		prove, expects = u.OAuthToken, "an OAuth token"
	case "api_key":
		prove, expects = u.APIKey, "an API key of a service account"
	case "json_key":
		prove, expects = u.keyFile, "the whole text of an authorized-key file"
	default:
		return nil, refuse("registry_user", "The user name says what the password is, and must be one of iam (an IAM token), oauth (an OAuth token), "+
			"api_key (an API key) and json_key (the whole text of an authorized-key file)")
	}
	if r.GetPassword() == "" {
		return nil, refuse("registry_password", "The password is empty: for the user "+r.GetUser()+" it must be "+expects)
	}
	id, err := prove(ctx, password)
	if e, ok := errors.AsType[*iam.Error](err); ok && e.Kind == iam.Unauthenticated {
		told := *e
		told.Message = e.Message + " (the password of the user " + r.GetUser() + " must be " + expects + ")"
		return nil, &told
	}
	return id, err
}

// keyFile proves a service account by its whole key file. The private key is used
// once, for the JWT that its owner would have signed, and kept nowhere.
//
// Nothing is computed for a key that is not one of this server's: it is looked up
// before its numbers, which are the sender's and may be of any size that the
// message has room for, are looked at. Who does not know whose key it is hears no
// more than that it is unknown.
func (u *Users) keyFile(ctx context.Context, text iam.Secret) (*credential.Identity, error) {
	var named struct {
		ID      string `json:"id"`
		Account string `json:"service_account_id"`
		Camel   string `json:"serviceAccountId"`
	}
	if json.Unmarshal([]byte(text.Reveal()), &named) != nil || named.ID == "" {
		return nil, notKeyFile(text)
	}
	switch account, err := u.AccountOf(ctx, named.ID); {
	case errors.Is(err, iam.NotFound), err == nil && account != cmp.Or(named.Account, named.Camel):
		return nil, errUnknownKey
	case err != nil:
		return nil, err
	}
	file, err := keyfile.Parse([]byte(text.Reveal()))
	if err != nil {
		e, ok := errors.AsType[*iam.Error](err)
		if !ok || len(e.Fields) == 0 {
			return nil, notKeyFile(text)
		}
		return nil, refuse("registry_key_file", "The key file is not right: "+e.Fields[0].Field+" "+e.Fields[0].Description)
	}
	jwt, err := keyfile.SignJWT(file, u.Audience, u.Now(), time.Minute)
	if err != nil {
		return nil, err
	}
	id, err := u.JWT(ctx, jwt)
	if e, ok := errors.AsType[*iam.Error](err); ok {
		switch e.Reason {
		case "jwt_key_unknown", "jwt_key_of_another_account":
			return nil, errUnknownKey
		case "jwt_signature":
			return nil, refuse("registry_key_file", "The private key in the file is not that of the authorized key that the file names")
		}
	}
	return id, err
}

var errUnknownKey = refuse("registry_key_unknown",
	"The authorized key that the file names is unknown, has been deleted, or is not a key of the account that the file names")

func notKeyFile(text iam.Secret) error {
	if given := credential.KindOf(text.Reveal()); given != "" && given != "an authorized key" {
		return refuse("credential_kind", "The password is "+given)
	}
	return refuse("registry_key_file", "The password is not the JSON of an authorized-key file")
}

func refuse(reason, text string) *iam.Error {
	return &iam.Error{Kind: iam.Unauthenticated, Reason: reason, Message: text}
}
