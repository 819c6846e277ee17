package cloudapi_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	awspb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1/awscompatibility"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/keyfile"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/resource"
	"github.com/propusk/propusk/internal/seal"
	"github.com/propusk/propusk/internal/server"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/propusktest"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
	"github.com/propusk/propusk/token"
)

// elsewhere is a service that follows the feed, as any verifier does, and holds
// the keys of session tokens, as another node does.
type elsewhere struct {
	*world
	verifier *token.Verifier
	ring     *mint.Keyring
}

func newElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.key")
	if err := seal.WriteMasterKey(path, seal.NewMasterKey("test")); err != nil {
		t.Fatal(err)
	}
	e := &elsewhere{world: newWorld(t, propusktest.WithConfig(func(c *server.Config) { c.MasterKey.File = path }))}
	box, err := seal.Load(t.Context(), "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	if e.ring, err = mint.OpenKeyring(t.Context(), mint.KeyringConfig{DB: e.Server.Server.DB(), Box: box, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	if e.verifier, err = token.NewVerifier(token.Config{BaseURL: e.HTTPURL, Root: e.RootKey}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go e.verifier.Follow(ctx)
	<-e.verifier.Ready()
	return e
}

// temporaryKey is a temporary access key, however it was made.
type temporaryKey struct{ id, secret, session string }

// derived is a chain of what was made from two keys of one account: root, in a
// cloud of its own, impersonates middle, which stands in home's folder.
type derived struct {
	cloud, folder, root, middle string
	key, static                 string // ids of root's keys

	direct, impersonated             string       // IAM tokens: of the key, and of that for middle
	ofDirect, ofImpersonated, ofKeys temporaryKey // ephemeral keys of both tokens, and one that STS made of the static key
}

var links = []string{"token", "impersonated token", "ephemeral key", "ephemeral key of the impersonated", "STS key"}

// keyFor is a key file of an account whose pair is home's, without the price
// of making one.
func (w *world) keyFor(t *testing.T, account string) (id string, file []byte) {
	t.Helper()
	home, err := keyfile.Parse([]byte(w.home.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	home.ID, home.ServiceAccountID = resource.NewID(resource.PrefixIAM), account
	w.update(t, func(tx *store.Tx) error {
		return store.InsertKey(tx, &iam.Key{ID: home.ID, ServiceAccountID: account, Algorithm: iam.RSA2048, PublicKey: home.PublicKey, CreatedAt: tx.Now()})
	})
	return home.ID, home.Encode()
}

func (w *world) derive(t *testing.T) *derived {
	t.Helper()
	name := strings.ToLower(resource.NewID("n"))
	d := &derived{}
	d.cloud = w.owner.create(t, "cloud.Create", &rmpb.CreateCloudRequest{OrganizationId: w.home.OrganizationID, Name: name})
	d.folder = w.owner.create(t, "folder.Create", &rmpb.CreateFolderRequest{CloudId: d.cloud, Name: name})
	d.root = w.owner.create(t, "sa.Create", &iampb.CreateServiceAccountRequest{FolderId: d.folder, Name: "root"})
	d.middle = w.anyAccount(t)
	w.bind(t, "sa", d.middle, add("iam.serviceAccounts.tokenCreator", d.root))
	var file []byte
	d.key, file = w.keyFor(t, d.root)
	direct := w.exchange(t, file)
	d.direct, d.impersonated = direct.token, w.impersonate(t, direct, d.middle).token
	ephemeral := func(by string) temporaryKey {
		k := w.ephemeral(t, w.withToken(t, by))
		return temporaryKey{k.GetAccessKeyId(), k.GetSecret(), k.GetSessionToken()}
	}
	d.ofDirect, d.ofImpersonated = ephemeral(d.direct), ephemeral(d.impersonated)
	static := w.newAccessKey(t, w.owner, &awspb.CreateAccessKeyRequest{ServiceAccountId: d.root})
	d.static = static.GetAccessKey().GetId()
	var made struct {
		AccessKeyID string `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		Secret      string `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		Session     string `xml:"AssumeRoleResult>Credentials>SessionToken"`
	}
	code, text := w.sts(t, temporaryKey{static.GetAccessKey().GetKeyId(), static.GetSecret(), ""},
		url.Values{"Action": {"AssumeRole"}, "RoleArn": {"arn:aws:iam::1:role/test-of-the-chain"}, "RoleSessionName": {"test"}})
	if err := xml.Unmarshal(text, &made); code != http.StatusOK || err != nil {
		t.Fatalf("AssumeRole: %d %s, %v", code, text, err)
	}
	d.ofKeys = temporaryKey{made.AccessKeyID, w.secret(made.Secret), w.secret(made.Session)}
	return d
}

// sts sends a request signed as AWS's clients sign [AWS: Signature Version 4].
func (w *world) sts(t *testing.T, k temporaryKey, form url.Values) (int, []byte) {
	t.Helper()
	form.Set("Version", "2011-06-15")
	body := form.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.HTTPURL+"/sts/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	at, scope := now.Format("20060102T150405Z"), now.Format("20060102")+"/ru-central1/sts/aws4_request"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Amz-Date", at)
	headers, names := "host:"+r.URL.Host+"\nx-amz-date:"+at+"\n", "host;x-amz-date"
	if k.session != "" {
		r.Header.Set("X-Amz-Security-Token", k.session)
		headers, names = headers+"x-amz-security-token:"+k.session+"\n", names+";x-amz-security-token"
	}
	sum := func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }
	canonical := strings.Join([]string{"POST", "/sts/", "", headers, names, sum(body)}, "\n")
	key := []byte("AWS4" + k.secret)
	mac := func(s string) []byte { h := hmac.New(sha256.New, key); h.Write([]byte(s)); return h.Sum(nil) }
	for part := range strings.SplitSeq(scope, "/") {
		key = mac(part)
	}
	signature := hex.EncodeToString(mac(strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, sum(canonical)}, "\n")))
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s", k.id, scope, names, signature))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text
}

// here tells which links of a chain this server still takes, in the order of links.
func (e *elsewhere) here(t *testing.T, d *derived) (live []string) {
	t.Helper()
	for i, text := range []string{d.direct, d.impersonated} {
		if a := e.withToken(t, text).do(t, "cloud.List", &rmpb.ListCloudsRequest{}, new(rmpb.ListCloudsResponse)); a.message == "" {
			live = append(live, links[i])
		}
	}
	for i, k := range []temporaryKey{d.ofDirect, d.ofImpersonated, d.ofKeys} {
		if code, _ := e.sts(t, k, url.Values{"Action": {"GetCallerIdentity"}}); code == http.StatusOK {
			live = append(live, links[2+i])
		}
	}
	return live
}

// there tells which links the other one still takes.
func (e *elsewhere) there(t *testing.T, d *derived) (live []string) {
	t.Helper()
	judge := func(link string, err error) {
		switch {
		case err == nil:
			live = append(live, link)
		case !errors.Is(err, token.ErrRevoked):
			t.Errorf("%s: %v", link, err)
		}
	}
	for i, text := range []string{d.direct, d.impersonated} {
		_, err := e.verifier.Verify(text)
		judge(links[i], err)
	}
	for i, k := range []temporaryKey{d.ofDirect, d.ofImpersonated, d.ofKeys} {
		s, _, err := e.ring.OpenSession(k.session)
		if err == nil {
			err = e.verifier.Ended(uint64(s.Position), s.DependsOn)
		}
		judge(links[2+i], err)
	}
	return live
}

// TestRevocationEverywhere makes a chain for each way to end something, and
// looks what of it is left: here at once, with everybody else within a second.
func TestRevocationEverywhere(t *testing.T) {
	t.Parallel()
	e := newElsewhere(t)
	other := e.derive(t)
	operate := func(method string, req func(d *derived) proto.Message) func(*testing.T, *derived) {
		return func(t *testing.T, d *derived) { e.owner.operate(t, method, req(d)) }
	}
	end := func(method string, req func(d *derived) proto.Message) func(*testing.T, *derived) {
		return func(t *testing.T, d *derived) {
			call(t, e.owner, "revocation."+method, req(d), new(propuskpb.RevokeResponse))
		}
	}
	ofTokens, ofMiddle, all := []string{"STS key"}, []string{"token", "ephemeral key", "STS key"}, []string(nil)
	ofStatic := links[:4]
	for what, c := range map[string]struct {
		end  func(t *testing.T, d *derived)
		left []string
	}{
		"a token": {func(t *testing.T, d *derived) {
			call(t, e.owner, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: d.direct}, new(iampb.RevokeIamTokenResponse))
		}, ofTokens},
		"an impersonated token": {func(t *testing.T, d *derived) {
			call(t, e.owner, "token.Revoke", &iampb.RevokeIamTokenRequest{IamToken: d.impersonated}, new(iampb.RevokeIamTokenResponse))
		}, ofMiddle},
		"a session": {end("RevokeSession", func(d *derived) proto.Message {
			return &propuskpb.RevokeSessionRequest{SessionToken: d.ofImpersonated.session}
		}), []string{"token", "impersonated token", "ephemeral key", "STS key"}},
		"a session of STS": {end("RevokeSession", func(d *derived) proto.Message {
			return &propuskpb.RevokeSessionRequest{SessionToken: d.ofKeys.session}
		}), ofStatic},
		"what an authorized key made": {end("RevokeCredential", func(d *derived) proto.Message { return endCredential(d.key) }), ofTokens},
		"what a static key made":      {end("RevokeCredential", func(d *derived) proto.Message { return endCredential(d.static) }), ofStatic},
		"an authorized key": {operate("key.Delete", func(d *derived) proto.Message {
			return &iampb.DeleteKeyRequest{KeyId: d.key}
		}), ofTokens},
		"a static key": {operate("accessKey.Delete", func(d *derived) proto.Message {
			return &awspb.DeleteAccessKeyRequest{AccessKeyId: d.static}
		}), ofStatic},
		"a subject":               {end("RevokeSubject", func(d *derived) proto.Message { return endSubject(d.root) }), all},
		"an impersonated subject": {end("RevokeSubject", func(d *derived) proto.Message { return endSubject(d.middle) }), ofMiddle},
		"an account by suspending it": {operate("sa.Suspend", func(d *derived) proto.Message {
			return &iampb.SuspendServiceAccountRequest{ServiceAccountId: d.root}
		}), all},
		"an impersonated account by suspending it": {operate("sa.Suspend", func(d *derived) proto.Message {
			return &iampb.SuspendServiceAccountRequest{ServiceAccountId: d.middle}
		}), ofMiddle},
		"an account by an end": {operate("sa.Update", func(d *derived) proto.Message {
			return &iampb.UpdateServiceAccountRequest{ServiceAccountId: d.root, UpdateMask: masked("expires_at"), ExpiresAt: timestamppb.New(time.Now().Add(time.Minute))}
		}), all},
		"an account": {operate("sa.Delete", func(d *derived) proto.Message {
			return &iampb.DeleteServiceAccountRequest{ServiceAccountId: d.root}
		}), all},
		"an impersonated account": {operate("sa.Delete", func(d *derived) proto.Message {
			return &iampb.DeleteServiceAccountRequest{ServiceAccountId: d.middle}
		}), ofMiddle},
		"a folder": {operate("folder.Delete", func(d *derived) proto.Message {
			return &rmpb.DeleteFolderRequest{FolderId: d.folder, DeleteAfter: timestamppb.New(past)}
		}), all},
		"a cloud": {operate("cloud.Delete", func(d *derived) proto.Message {
			return &rmpb.DeleteCloudRequest{CloudId: d.cloud, DeleteAfter: timestamppb.New(past)}
		}), all},
	} {
		d := e.derive(t)
		if live := e.here(t, d); !slices.Equal(live, links) {
			t.Fatalf("before ending %s: %q", what, live)
		}
		c.end(t, d)
		began := time.Now()
		if live := e.here(t, d); !slices.Equal(live, c.left) {
			t.Errorf("ending %s leaves %q here, want %q", what, live, c.left)
		}
		for !slices.Equal(e.there(t, d), c.left) {
			if time.Since(began) > time.Second {
				t.Errorf("ending %s leaves %q elsewhere after a second, want %q", what, e.there(t, d), c.left)
				break
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	if live := e.here(t, other); !slices.Equal(live, links) || !slices.Equal(e.there(t, other), links) {
		t.Errorf("what is unrelated: %q here, %q elsewhere", live, e.there(t, other))
	}
}
