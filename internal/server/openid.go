package server

import (
	"context"
	"encoding/json"
	"net"
	"strings"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/publish"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/store"
)

// buildIDKeys makes the ring of the keys of ID tokens, which reads them when
// somebody asks for one.
func (s *Server) buildIDKeys() (err error) {
	s.idKeys, err = mint.NewIDKeys(mint.IDKeysConfig{DB: s.db, Box: s.box, Now: s.now, RotateEvery: s.cfg.RotateEvery, Record: s.recordRotation})
	if err == nil {
		s.replica.OnApply(s.idKeys.Notice)
	}
	return err
}

// distrustIDKey stops trusting a key of ID tokens.
func (s *Server) distrustIDKey(ctx context.Context, id string) error {
	return s.idKeys.Distrust(ctx, id, func(tx *store.Tx) error {
		return s.recordOperator(tx, "propusk.DistrustSigningKey", resource.Ref{Kind: "propusk.signingKey", ID: id})
	})
}

// issuer is the address that ID tokens name as theirs, and under which third
// parties find their keys: public-url, otherwise the HTTP listener's own.
func (s *Server) issuer() (string, error) {
	if u := s.cfg.PublicURL; u != "" {
		return strings.TrimRight(u, "/"), nil
	}
	address := s.doors.HTTPAddr()
	if _, _, err := net.SplitHostPort(address); err != nil || hostOf(address) == "" {
		return "", iam.Errorf(iam.FailedPrecondition,
			"The server does not know the address under which others reach it, which ID tokens name as their issuer: its operator has to set public-url")
	}
	if s.doors.Encrypted() && !s.opts.Dev { // a development server takes both on its port
		return "https://" + address, nil
	}
	return "http://" + address, nil
}

// openID tells third parties of the issuer of ID tokens: it implements
// publish.OpenID.
type openID struct{ s *Server }

// discovery is OpenID Connect Discovery 1.0 section 3, as far as it is true:
// nobody signs in here, so there are no endpoints for that.
type discovery struct {
	Issuer        string   `json:"issuer"`
	Keys          string   `json:"jwks_uri"`
	ResponseTypes []string `json:"response_types_supported"`
	SubjectTypes  []string `json:"subject_types_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	Scopes        []string `json:"scopes_supported"`
	Claims        []string `json:"claims_supported"`
}

// Discovery is the provider's configuration.
func (o openID) Discovery(context.Context) ([]byte, error) {
	issuer, err := o.s.issuer()
	if err != nil {
		return nil, err
	}
	return json.Marshal(discovery{
		Issuer: issuer, Keys: issuer + publish.IDKeysPath, ResponseTypes: []string{"id_token"}, SubjectTypes: []string{"public"},
		Algorithms: []string{mint.IDAlgorithm}, Scopes: []string{"openid"}, Claims: mint.IDClaims(),
	})
}

// JWKS is the key set.
func (o openID) JWKS(ctx context.Context) ([]byte, error) { return o.s.idKeys.JWKS(ctx) }
