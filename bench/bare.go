package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	_ "net/http/pprof" // on a listener of its own
	"os"
	"strings"
	"sync/atomic"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/keyfile"
)

// bare is the least program that exchanges a JWT for a token, on net/http and
// on grpc-go: decode, RSA-2048 PSS verify, Ed25519 sign, with the standard
// library and without prepared keys. It asks nobody, records nothing and cannot
// revoke: no server can do less, and so it is what others are measured by.
type bare struct {
	iampb.UnimplementedIamTokenServiceServer
	keys    map[string]*rsa.PublicKey // by key id
	private ed25519.PrivateKey
	issued  atomic.Uint64
}

// bareCommand is the first argument that makes this program the bare server;
// those that follow are the file of keys and the addresses.
const bareCommand = "bare-server"

// payloadSize makes the bare server's tokens as long as Propusk's.
const payloadSize = 222

func runBare(keyFile, httpAddr, grpcAddr, debugAddr string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	var pems map[string]string
	if err := json.Unmarshal(text, &pems); err != nil {
		return err
	}
	b := &bare{keys: map[string]*rsa.PublicKey{}}
	for id, pem := range pems {
		if b.keys[id], err = keyfile.ParsePublicKey(pem); err != nil {
			return err
		}
	}
	if _, b.private, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return err
	}
	calls, err := net.Listen("tcp", grpcAddr)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	iampb.RegisterIamTokenServiceServer(s, b)
	registerEmpty(s)
	failed := make(chan error, 3)
	go func() { failed <- s.Serve(calls) }()
	go func() { failed <- http.ListenAndServe(debugAddr, nil) }()
	go func() { failed <- http.ListenAndServe(httpAddr, http.HandlerFunc(b.serveREST)) }()
	return <-failed
}

func (b *bare) serveREST(w http.ResponseWriter, r *http.Request) {
	var request struct {
		JWT string `json:"jwt"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	token, expires, err := b.exchange(request.JWT)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(struct {
		IAMToken  string    `json:"iamToken"`
		ExpiresAt time.Time `json:"expiresAt"`
	}{token, expires})
}

// Create implements IamTokenService.
func (b *bare) Create(_ context.Context, r *iampb.CreateIamTokenRequest) (*iampb.CreateIamTokenResponse, error) {
	token, expires, err := b.exchange(r.GetJwt())
	if err != nil {
		return nil, err
	}
	return &iampb.CreateIamTokenResponse{IamToken: token, ExpiresAt: timestamppb.New(expires)}, nil
}

var errBare = errors.New("the JWT is not good")

func (b *bare) exchange(jwt string) (token string, expires time.Time, err error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return "", expires, errBare
	}
	var header struct{ Alg, Kid string }
	var claims struct {
		Iss, Aud string
		Iat, Exp int64
	}
	if err := errors.Join(decodePart(parts[0], &header), decodePart(parts[1], &claims)); err != nil {
		return "", expires, err
	}
	key, now := b.keys[header.Kid], time.Now()
	if key == nil || header.Alg != "PS256" || now.Unix() >= claims.Exp {
		return "", expires, errBare
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return "", expires, err
	}
	digest := sha256.Sum256([]byte(jwt[:len(parts[0])+1+len(parts[1])]))
	if err := rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, nil); err != nil {
		return "", expires, err
	}
	expires = now.Add(12 * time.Hour)
	var payload [payloadSize]byte
	binary.BigEndian.PutUint64(payload[:], b.issued.Add(1))
	copy(payload[8:], claims.Iss)
	signed := "t1." + base64.RawURLEncoding.EncodeToString(payload[:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(b.private, []byte(signed))), expires, nil
}

func decodePart(text string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}
