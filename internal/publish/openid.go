package publish

import (
	"context"
	"net/http"
	"net/url"
)

// Paths of what third parties read to check ID tokens.
const (
	DiscoveryPath = "/.well-known/openid-configuration" // OpenID Connect Discovery 1.0 section 4
	// ServerPath is the same for those who know of OAuth 2.0 alone (RFC 8414 section 3).
	ServerPath = "/.well-known/oauth-authorization-server"
	IDKeysPath = "/oauth/jwks/keys" // [API fact: ID token]
)

// OpenID is what third parties read of the issuer of ID tokens.
type OpenID interface {
	Discovery(ctx context.Context) ([]byte, error)
	JWKS(ctx context.Context) ([]byte, error)
}

// openIDCaching lets third parties and what stands before them keep an answer:
// for less than a key is published before it signs, and no longer than a
// distrusted key may go on being believed.
const openIDCaching = "public, max-age=900"

func (d *Door) mountOpenID(mux *http.ServeMux) {
	for path, read := range map[string]func(context.Context) ([]byte, error){
		ServerPath:    func(ctx context.Context) ([]byte, error) { return d.OpenID.Discovery(ctx) },
		DiscoveryPath: func(ctx context.Context) ([]byte, error) { return d.OpenID.Discovery(ctx) },
		IDKeysPath:    func(ctx context.Context) ([]byte, error) { return d.OpenID.JWKS(ctx) },
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", openIDCaching)
			// Programs in a browser check ID tokens too, and nothing here is anybody's own.
			w.Header().Set("Access-Control-Allow-Origin", "*")
			d.serve(w, r, path, func(ctx context.Context, _ url.Values) ([]byte, error) { return read(ctx) })
		})
	}
}
