package sts_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/propusktest"
)

// key is what signs: a static access key, or a temporary one.
type key struct {
	id, secret, token string
	row               string // its id in the API
}

// world is a server with one account that has a static key.
type world struct {
	*propusktest.Server
	log   *logText
	admin string // IAM token of one who may do everything

	mu   sync.Mutex
	plus time.Duration // what the server's clock is ahead
}

type logText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *logText) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{log: &logText{}}
	w.Server = propusktest.New(t, propusktest.WithClock(w.now), propusktest.WithLog(slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	w.admin = w.AdminToken(t)
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.plus)
}

func (w *world) forward(d time.Duration) { w.mu.Lock(); w.plus += d; w.mu.Unlock() }

// rest calls a method that must succeed.
func (w *world) rest(t *testing.T, method, path string, body, into any) {
	t.Helper()
	r := w.Do(t, method, w.admin, path, body)
	if r.Code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, r.Code, r.Body)
	}
	if into != nil {
		r.Decode(t, into)
	}
}

const accessKeys = "/iam/aws-compatibility/v1/accessKeys"

// account makes a service account in the folder.
func (w *world) account(t *testing.T, name string, more ...string) string {
	t.Helper()
	body := map[string]string{"folderId": w.FolderID, "name": name}
	for i := 0; i < len(more); i += 2 {
		body[more[i]] = more[i+1]
	}
	var op struct {
		Metadata struct{ ServiceAccountID string }
	}
	w.rest(t, "POST", "/iam/v1/serviceAccounts", body, &op)
	return op.Metadata.ServiceAccountID
}

func (w *world) static(t *testing.T, account string) key {
	t.Helper()
	var made struct {
		AccessKey struct{ ID, KeyID string }
		Secret    string
	}
	w.rest(t, "POST", accessKeys, map[string]string{"serviceAccountId": account}, &made)
	return key{id: made.AccessKey.KeyID, secret: made.Secret, row: made.AccessKey.ID}
}

// signer signs after AWS's description of version 4, in few words: the paths
// and headers here need no cleaning.
type signer struct {
	key
	at      time.Time
	service string
	presign int    // seconds; 0 signs in a header, and endless names no end
	payload string // what is said of the body, in place of its hash
}

const endless = -1

func (s signer) sign(r *http.Request, body string) {
	at := s.at.UTC().Format("20060102T150405Z")
	scope := at[:8] + "/ru-central1/" + s.service + "/aws4_request"
	sum := sha256.Sum256([]byte(body))
	payload := hex.EncodeToString(sum[:])
	if s.payload != "" {
		payload = s.payload
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
	query := r.URL.Query()
	headers := map[string]string{"host": r.URL.Host}
	if s.presign != 0 {
		for name, value := range map[string]string{"Algorithm": "AWS4-HMAC-SHA256", "Credential": s.id + "/" + scope, "Date": at,
			"Expires": fmt.Sprint(s.presign), "SignedHeaders": "host", "Security-Token": s.token} {
			if value != "" && value != "-1" {
				query.Set("X-Amz-"+name, value)
			}
		}
		r.URL.RawQuery = query.Encode()
	} else {
		r.Header.Set("X-Amz-Date", at)
		if s.token != "" {
			r.Header.Set("X-Amz-Security-Token", s.token)
		}
	}
	for name := range r.Header {
		headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	var lines, names []string
	for _, name := range []string{"content-type", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} {
		if value, ok := headers[name]; ok && (s.presign == 0 || name == "host") {
			lines, names = append(lines, name+":"+value+"\n"), append(names, name)
		}
	}
	signed := strings.Join(names, ";")
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), strings.ReplaceAll(query.Encode(), "+", "%20"), strings.Join(lines, ""), signed, payload}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	mac := []byte("AWS4" + s.secret)
	for _, part := range []string{at[:8], "ru-central1", s.service, "aws4_request", "AWS4-HMAC-SHA256\n" + at + "\n" + scope + "\n" + hex.EncodeToString(digest[:])} {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(part))
		mac = h.Sum(nil)
	}
	if s.presign != 0 {
		r.URL.RawQuery += "&X-Amz-Signature=" + hex.EncodeToString(mac)
		return
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.id+"/"+scope+", SignedHeaders="+signed+", Signature="+hex.EncodeToString(mac))
}

// answer is what the door said.
type answer struct {
	status      int
	body        string
	code        string // of an error
	message     string
	Credentials struct {
		AccessKeyId, SecretAccessKey, SessionToken string
		Expiration                                 time.Time
	} `xml:"AssumeRoleResult>Credentials"`
	User struct{ Arn, AssumedRoleId string }   `xml:"AssumeRoleResult>AssumedRoleUser"`
	Who  struct{ Account, Arn, UserId string } `xml:"GetCallerIdentityResult"`
}

func (a answer) key() key {
	return key{id: a.Credentials.AccessKeyId, secret: a.Credentials.SecretAccessKey, token: a.Credentials.SessionToken}
}

// request is a POST of a form.
func (w *world) request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.HTTPURL+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", form)
	}
	return r
}

// send sends a request and reads the answer, in which and in the log no secret
// may be but those that it is asked for.
func (w *world) send(t *testing.T, r *http.Request, secrets ...string) answer {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, body: string(text)}
	if res.StatusCode != http.StatusOK {
		f := failureIn(t, r.Method+" "+r.URL.Path, res, a.body)
		a.code, a.message = f.Error.Code, f.Error.Message
	} else if err := xml.Unmarshal(text, &a); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, secret := range append(secrets, a.Credentials.SecretAccessKey, a.Credentials.SessionToken) {
		if secret == "" {
			continue
		}
		if res.StatusCode != http.StatusOK && strings.Contains(a.body, secret) || strings.Contains(w.log.String(), secret) {
			t.Errorf("a secret is in the answer or the log")
		}
	}
	return a
}

// signed posts a form, signed with a key at the server's time.
func (w *world) signed(t *testing.T, k key, body string) answer {
	t.Helper()
	r := w.request(t, "POST", "/", body)
	signer{key: k, at: w.now(), service: "sts"}.sign(r, body)
	return w.send(t, r, k.secret, k.token)
}

// role is the form of AssumeRole with parameters besides.
func role(more ...string) string {
	v := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"any-text-of-twenty-characters"}, "RoleSessionName": {"night-job"}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	return v.Encode()
}
