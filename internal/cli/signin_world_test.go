package cli_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	resourcepb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"

	"github.com/propusk/propusk/internal/cli"
)

// pages is a server at which people sign in, of one person who always agrees.
// A refresh token works once and gives the next.
type pages struct {
	*httptest.Server
	mu        sync.Mutex
	challenge string
	state     string // that is answered, when not the asked one
	issuer    string // that is answered, when not the server's own
	refreshes bool   // gives refresh tokens
	current   string // refresh token
	made      int    // IAM tokens
	refreshed int
	jkt       string // of the key that the refresh token is bound to
	wrong     []string
	meanwhile func()        // happens while a refresh token is used
	ahead     time.Duration // of this machine's clock
}

func newPages(t *testing.T) *pages {
	t.Helper()
	p := &pages{refreshes: true}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	t.Cleanup(func() {
		for _, w := range p.wrong {
			t.Error(w)
		}
	})
	return p
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = r.ParseForm()
	w.Header().Set("Date", time.Now().Add(p.ahead).UTC().Format(http.TimeFormat))
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.say(w, 200, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token"})
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.token(w, r)
	}
}

func (p *pages) say(w http.ResponseWriter, code int, answer map[string]any) {
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}

func (p *pages) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.Form
	if q.Get("yc_federation_hint") == "unknown" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if q.Get("code_challenge_method") != "S256" || q.Get("client_id") != "yc.oauth.public-sdk" || q.Get("scope") != "openid" || len(q.Get("state")) < 40 {
		p.wrong = append(p.wrong, "asked with "+r.URL.RawQuery)
	}
	p.challenge, p.jkt = q.Get("code_challenge"), q.Get("dpop_jkt")
	back := url.Values{"code": {"the-code"}, "state": {q.Get("state")}, "iss": {p.URL}}
	if p.state != "" {
		back.Set("state", p.state)
	}
	if p.issuer != "" {
		back.Set("iss", p.issuer)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (p *pages) token(w http.ResponseWriter, r *http.Request) {
	if jkt, err := p.proved(r); err != nil || jkt != p.jkt {
		p.say(w, 400, map[string]any{"error": "invalid_dpop_proof", "error_description": fmt.Sprint("not the key: ", err)})
		return
	}
	switch r.Form.Get("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(r.Form.Get("code_verifier")))
		if r.Form.Get("code") != "the-code" || base64.RawURLEncoding.EncodeToString(sum[:]) != p.challenge {
			p.say(w, 400, map[string]any{"error": "invalid_grant"})
			return
		}
	case "refresh_token":
		if p.current == "" || r.Form.Get("refresh_token") != p.current {
			p.say(w, 400, map[string]any{"error": "invalid_grant", "error_description": "an old copy"})
			return
		}
		if p.refreshed++; p.meanwhile != nil {
			p.meanwhile()
		}
	}
	p.made++
	answer := map[string]any{"access_token": fmt.Sprintf("t1.made.n%d", p.made), "token_type": "Bearer", "expires_in": 3600}
	if p.refreshes {
		p.current = fmt.Sprintf("rt1.n%d", p.made)
		answer["refresh_token"] = p.current
	}
	p.say(w, 200, answer)
}

// proved is the thumbprint of the key that a request proves, "" for none.
func (p *pages) proved(r *http.Request) (string, error) {
	proof := r.Header.Get("DPoP")
	if proof == "" {
		return "", nil
	}
	parts := strings.Split(proof, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("%d parts", len(parts))
	}
	var header struct {
		Type string            `json:"typ"`
		Key  map[string]string `json:"jwk"`
	}
	var claims struct {
		Method string `json:"htm"`
		URL    string `json:"htu"`
		ID     string `json:"jti"`
		Issued int64  `json:"iat"`
	}
	for n, into := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[n])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return "", err
		}
	}
	x, _ := base64.RawURLEncoding.DecodeString(header.Key["x"])
	y, _ := base64.RawURLEncoding.DecodeString(header.Key["y"])
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err != nil || len(signature) != 64 {
		return "", fmt.Errorf("no key, or no signature: %v", err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", fmt.Errorf("the signature is wrong")
	}
	if claims.Method != http.MethodPost || claims.URL != p.URL+"/token" || claims.ID == "" || header.Type != "dpop+jwt" {
		return "", fmt.Errorf("a proof of another request: %+v", claims)
	}
	if off := time.Since(time.Unix(claims.Issued, 0)) + p.ahead; off.Abs() > time.Minute {
		return "", fmt.Errorf("the proof is of another time, by %v", off)
	}
	text, err := json.Marshal(header.Key)
	if err != nil {
		return "", err
	}
	sum = sha256.Sum256(text) // of crv, kty, x, y in this order
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// person follows the link that init prints, as a browser does.
type person struct {
	mu      sync.Mutex
	text    bytes.Buffer
	visited bool
	codes   chan int // how the last page answered
	stop    func()   // what he does when that is no good page: Ctrl-C
}

var invited = regexp.MustCompile(`Please go to (\S+) in order to sign in\.`)

func (p *person) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.text.Write(b)
	if link := invited.FindSubmatch(p.text.Bytes()); link != nil && !p.visited {
		p.visited = true
		go func() {
			code := 0
			if res, err := http.Get(string(link[1])); err == nil {
				code = res.StatusCode
				_ = res.Body.Close()
			}
			if p.codes <- code; code != http.StatusOK {
				p.stop()
			}
		}()
	}
	return n, err
}

// cloud is a server with one cloud and one folder.
func cloud(t *testing.T) *fake {
	return newFake(t, grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(new(emptypb.Empty)); err != nil {
			return err
		}
		switch method, _ := grpc.MethodFromServerStream(stream); method {
		case resourcepb.CloudService_List_FullMethodName:
			return stream.SendMsg(&resourcepb.ListCloudsResponse{Clouds: []*resourcepb.Cloud{{Id: "b1g1", Name: "sky\x1b[31m"}}})
		case resourcepb.FolderService_List_FullMethodName:
			return stream.SendMsg(&resourcepb.ListFoldersResponse{Folders: []*resourcepb.Folder{{Id: "b1g2", Name: "first"}}})
		}
		return stream.SendMsg(new(emptypb.Empty))
	}))
}

// begin runs init as a person who types these lines.
func (f *fake) begin(t *testing.T, config, typed string, args ...string) (code int, text string, page int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	p := &person{codes: make(chan int, 1), stop: stop}
	var out bytes.Buffer
	code = cli.Main(ctx, cli.Environment{Environ: []string{"YC_ENDPOINT=" + f.endpoint, "YC_CONFIG=" + config},
		Stdin: strings.NewReader(typed), Stdout: &out, Stderr: p, Now: time.Now, Version: "1"}, "yc", append([]string{"init", "--no-browser"}, args...))
	if p.visited {
		page = <-p.codes
	}
	if out.Len() > 0 {
		t.Errorf("standard output: %s", &out)
	}
	return code, p.text.String(), page
}
