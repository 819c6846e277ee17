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
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/propusk/propusk/internal/iam"
)

// SignIn is what stays of a person's signing in with a browser or a device.
type SignIn struct {
	ID           string // of this sign-in, drawn at random
	Issuer       string // URL of the server that he signed in at
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

// SignIns keeps them, a file for each profile and one for its key beside it,
// which only their owner may read, in a folder beside the config file.
type SignIns struct{ folder string }

// SignInsOf is the sign-ins of the profiles of the config file at path.
func SignInsOf(path string) SignIns { return SignIns{filepath.Join(filepath.Dir(path), "sign-in")} }

type signInFile struct {
	ID           string `json:"id"`
	Issuer       string `json:"issuer"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Bound        bool   `json:"dpop,omitempty"`
}

const keyBlock = "PRIVATE KEY"

// Get returns the sign-in of a profile, or nil when there is none.
func (s SignIns) Get(profile string) (*SignIn, error) {
	if CheckName(profile) != nil {
		return nil, nil
	}
	text, err := readSmall(s.path(profile, ".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var f signInFile
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil || f.ID == "" || f.Issuer == "" {
		return nil, fmt.Errorf("the sign-in of profile %q cannot be read from %s: sign in again by init", profile, s.path(profile, ".json"))
	}
	out := &SignIn{ID: f.ID, Issuer: f.Issuer, RefreshToken: iam.NewSecret(f.RefreshToken)}
	if f.Bound {
		if out.Key, err = readKey(s.path(profile, ".key")); err != nil {
			return nil, fmt.Errorf("the key of profile %q cannot be read from %s: sign in again by init", profile, s.path(profile, ".key"))
		}
	}
	return out, nil
}

// Put keeps the sign-in of a profile in place of the one before.
func (s SignIns) Put(profile string, in *SignIn) error {
	if err := CheckName(profile); err != nil {
		return err
	}
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return fmt.Errorf("keep sign-in: %w", err)
	}
	if in.Key != nil {
		der, err := x509.MarshalPKCS8PrivateKey(in.Key)
		if err == nil {
			err = replace(s.path(profile, ".key"), pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))
		}
		if err != nil {
			return fmt.Errorf("keep sign-in: %w", err)
		}
	} else {
		_ = os.Remove(s.path(profile, ".key"))
	}
	text, err := json.Marshal(signInFile{in.ID, in.Issuer, in.RefreshToken.Reveal(), in.Key != nil})
	if err == nil {
		err = replace(s.path(profile, ".json"), text)
	}
	if err != nil {
		return fmt.Errorf("keep sign-in: %w", err)
	}
	return nil
}

// Drop forgets the sign-in of a profile.
func (s SignIns) Drop(profile string) {
	if CheckName(profile) == nil {
		_ = os.Remove(s.path(profile, ".json"))
		_ = os.Remove(s.path(profile, ".key"))
	}
}

func (s SignIns) path(profile, suffix string) string { return filepath.Join(s.folder, profile+suffix) }

func readSmall(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return io.ReadAll(io.LimitReader(in, 64<<10))
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyBlock {
		return nil, errors.New("no key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return nil, errors.New("no key of P-256")
	}
	return private, nil
}
