package source

import (
	"bytes"
	"context"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/iamclient"
)

// Workload makes tokens of another issuer's token, such as one that Kubernetes
// puts into a pod (RFC 8693).
type Workload struct {
	Exchanger *iamclient.Exchanger
	// Subject is the other issuer's token; it is asked for each time, because
	// such tokens live shortly.
	Subject func(ctx context.Context) (iam.Secret, error)
	// Type of the subject token; "": iamclient.TypeIDToken.
	Type string
	// Account is the id of the service account; "" when the subject token
	// stands for one by itself.
	Account string
}

// Make exchanges the subject token.
func (w *Workload) Make(ctx context.Context) (iamclient.Token, error) {
	subject, err := w.Subject(ctx)
	if err != nil {
		return iamclient.Token{}, err
	}
	kind := w.Type
	if kind == "" {
		kind = iamclient.TypeIDToken
	}
	return w.Exchanger.Exchange(ctx, subject, kind, w.Account)
}

// ServiceAccountID is the account that is asked for.
func (w *Workload) ServiceAccountID() string { return w.Account }

// SubjectType is the type of a subject token by its short name: id_token, jwt or
// access_token; "" is id_token. There are no others.
func SubjectType(name string) (urn string, ok bool) {
	switch name {
	case "", "id_token":
		return iamclient.TypeIDToken, true
	case "jwt":
		return iamclient.TypeJWT, true
	case "access_token":
		return iamclient.TypeAccessToken, true
	}
	return "", false
}

// TokenFile reads a subject token, anew each time. It fails with UNAVAILABLE:
// whoever writes the file may do so later.
func TokenFile(path string) func(context.Context) (iam.Secret, error) {
	return func(context.Context) (iam.Secret, error) {
		text, err := readSmall(path)
		if err != nil {
			return iam.Secret{}, err
		}
		token := string(bytes.TrimSpace(text))
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return iam.Secret{}, iam.Errorf(iam.Unavailable, "%s holds no token", path)
		}
		return iam.NewSecret(token), nil
	}
}
