package profile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"github.com/propusk/propusk/internal/iam"
)

// SignIn is what stays of a person's signing in with a browser or a device.
type SignIn struct {
	ID           string // of this sign-in, drawn at random
	Issuer       string // URL of the server that he signed in at
	Endpoint     string // host:port of its API, which alone it is for; "" when that is not known
	Federation   string // through which he signed in; may be empty, as the next two
	UserPool     string
	Username     string
	RefreshToken iam.Secret
	Key          *ecdsa.PrivateKey // P-256, by which the refresh token is bound; nil when it is not
}

// NewSignIn begins a sign-in, with a key when it is to be bound to one.
func NewSignIn(issuer string, bound bool) (*SignIn, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &SignIn{ID: hex.EncodeToString(id[:]), Issuer: issuer}
	if !bound {
		return s, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.Key = key
	return s, err
}

// SignIns keeps them by the names of their profiles.
type SignIns struct{ vault }

// SignInsOf is the sign-ins of the profiles of the config file at path; without
// a keyring in files alone.
func SignInsOf(path string, ring *Keyring) SignIns {
	return SignIns{vaultOf(path, "sign-in", ring)}
}

type signInFile struct {
	ID           string `json:"id"`
	Issuer       string `json:"issuer"`
	Endpoint     string `json:"endpoint,omitempty"`
	Federation   string `json:"federation_id,omitempty"`
	UserPool     string `json:"userpool_id,omitempty"`
	Username     string `json:"username,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Key          string `json:"dpop_key,omitempty"` // PKCS #8, PEM
}

const keyBlock = "PRIVATE KEY"

// Hold has one process at a time change the sign-in of a profile, until done is
// called; alone tells whether this one does, for another may not let go in time.
func (s SignIns) Hold(profile string) (done func(), alone bool) {
	if CheckName(profile) == nil && s.prepare() == nil {
		if unlock, err := lock(s.path(profile)+".lock", lockPatience); err == nil {
			return unlock, true
		}
	}
	return func() {}, false
}

// Get returns the sign-in of a profile, or nil when there is none.
func (s SignIns) Get(profile string) (*SignIn, error) {
	if CheckName(profile) != nil {
		return nil, nil
	}
	text, err := s.get(profile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, errNoItem) {
		return nil, fmt.Errorf("the sign-in of profile %q: %w: sign in again by init", profile, err)
	}
	if err != nil {
		return nil, fmt.Errorf("the sign-in of profile %q cannot be read: %w", profile, err)
	}
	in, err := parseSignIn(text)
	if err != nil {
		return nil, fmt.Errorf("the sign-in of profile %q, kept as %s, is damaged: %w; sign in again by init", profile, s.path(profile), err)
	}
	return in, nil
}

func parseSignIn(text []byte) (*SignIn, error) {
	var f signInFile
	if json.Unmarshal(text, &f) != nil || f.ID == "" || f.Issuer == "" {
		return nil, errors.New("it is not what was written")
	}
	out := &SignIn{ID: f.ID, Issuer: f.Issuer, Endpoint: f.Endpoint, Federation: f.Federation, UserPool: f.UserPool, Username: f.Username, RefreshToken: iam.NewSecret(f.RefreshToken)}
	if f.Key == "" {
		return out, nil
	}
	var err error
	out.Key, err = parseKey([]byte(f.Key))
	return out, err
}

// Put keeps the sign-in of a profile in place of the one before, which stays
// whole until then.
func (s SignIns) Put(profile string, in *SignIn) error {
	if err := CheckName(profile); err != nil {
		return err
	}
	f := signInFile{ID: in.ID, Issuer: in.Issuer, Endpoint: in.Endpoint, Federation: in.Federation, UserPool: in.UserPool, Username: in.Username, RefreshToken: in.RefreshToken.Reveal()}
	if in.Key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(in.Key)
		if err != nil {
			return fmt.Errorf("keep sign-in: %w", err)
		}
		f.Key = string(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))
	}
	text, err := json.Marshal(f)
	if err == nil {
		err = s.put(profile, "propusk: sign-in of profile "+profile, text)
	}
	if err != nil {
		return fmt.Errorf("keep sign-in: %w", err)
	}
	return nil
}

// Drop forgets the sign-in of a profile.
func (s SignIns) Drop(profile string) {
	if CheckName(profile) == nil {
		s.drop(profile)
	}
}

func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("no key")
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("no key of P-256")
	}
	return private, nil
}
