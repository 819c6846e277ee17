package sts_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// Signatures that are not those of this request, at this time, for this service.
func TestBadSignatures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.static(t, w.account(t, "signer"))
	other := w.static(t, w.account(t, "other"))
	child := w.signed(t, k, role()).key()
	const missing, incomplete, mismatch, badToken = "MissingAuthenticationToken", "IncompleteSignature", "SignatureDoesNotMatch", "InvalidClientTokenId"
	now := w.now()
	good := signer{key: k, at: now, service: "sts"}
	change := func(f func(s *signer)) signer { s := good; f(&s); return s }
	as := func(k key) signer { return change(func(s *signer) { s.key = k }) }
	query := func(seconds int) signer { return change(func(s *signer) { s.presign = seconds }) }
	for name, c := range map[string]struct {
		signer signer
		after  func(r *http.Request) // what is done to the signed request
		status int
		code   string
	}{
		"good":              {good, nil, 200, ""},
		"not signed":        {good, func(r *http.Request) { r.Header.Del("Authorization") }, 403, missing},
		"an IAM token":      {good, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+w.admin) }, 403, missing},
		"cut short":         {good, func(r *http.Request) { edit(r, "Authorization", ", Signature=", ", Sig=") }, 400, incomplete},
		"another algorithm": {good, func(r *http.Request) { edit(r, "Authorization", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256") }, 400, incomplete},
		"of version 2":      {good, func(r *http.Request) { signV2(r, k) }, 400, incomplete},
		"in both places":    {good, func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=x" }, 400, incomplete},
		"its case changed":  {good, func(r *http.Request) { upper(r) }, 403, mismatch},
		"another body":      {good, func(r *http.Request) { setBody(r, strings.Replace(role(), "night", "other", 1)) }, 403, mismatch},
		"a query added":     {good, func(r *http.Request) { r.URL.RawQuery = "ExternalId=x" }, 403, mismatch},
		"another path":      {good, func(r *http.Request) { r.URL.Path = "/sts/" }, 403, mismatch},
		"another host":      {good, func(r *http.Request) { r.Host = "sts.example.com" }, 403, mismatch},
		"another time": {good, func(r *http.Request) {
			r.Header.Set("X-Amz-Date", now.UTC().Add(time.Minute).Format("20060102T150405Z"))
		}, 403, mismatch},
		"an open payload":              {change(func(s *signer) { s.payload = "UNSIGNED-PAYLOAD" }), nil, 403, mismatch},
		"an open payload, and another": {change(func(s *signer) { s.payload = "UNSIGNED-PAYLOAD" }), func(r *http.Request) { setBody(r, role("DurationSeconds", "43200")) }, 403, mismatch},
		"for the object store":         {change(func(s *signer) { s.service = "s3" }), nil, 403, mismatch},
		"for it, with an open payload": {change(func(s *signer) { s.service, s.payload = "s3", "UNSIGNED-PAYLOAD" }), nil, 403, mismatch},
		"of 15 minutes ago":            {change(func(s *signer) { s.at = now.Add(-15*time.Minute + 5*time.Second) }), nil, 200, ""},
		"older":                        {change(func(s *signer) { s.at = now.Add(-15*time.Minute - 5*time.Second) }), nil, 403, mismatch},
		"of 15 minutes ahead":          {change(func(s *signer) { s.at = now.Add(15*time.Minute - 5*time.Second) }), nil, 200, ""},
		"newer":                        {change(func(s *signer) { s.at = now.Add(15*time.Minute + 5*time.Second) }), nil, 403, mismatch},
		"presigned":                    {query(900), nil, 200, ""},
		"presigned without an end":     {query(endless), nil, 200, ""},
		"the same, long ago":           {change(func(s *signer) { s.presign, s.at = endless, now.Add(-16*time.Minute) }), nil, 403, mismatch},
		"presigned, another body":      {query(900), func(r *http.Request) { setBody(r, role("DurationSeconds", "43200")) }, 403, mismatch},
		"presigned for 8 days":         {query(8 * 86400), nil, 400, incomplete},
		"presigned long ago":           {change(func(s *signer) { s.presign, s.at = 86400, now.Add(-time.Hour) }), nil, 403, mismatch},
		"another's secret":             {as(key{id: k.id, secret: other.secret}), nil, 403, mismatch},
		"an unknown key":               {as(key{id: "YC" + strings.Repeat("x", 23), secret: k.secret}), nil, 403, mismatch},
		"a secret in place of its id":  {as(key{id: k.secret, secret: k.secret}), nil, 403, badToken},
		"a child without its token":    {as(key{id: child.id, secret: child.secret}), nil, 403, mismatch},
		"a static key with a token":    {as(key{id: k.id, secret: k.secret, token: child.token}), nil, 403, badToken},
		"another key's child":          {as(key{id: other.id, secret: child.secret, token: child.token}), nil, 403, badToken},
		"an altered token":             {as(key{id: child.id, secret: child.secret, token: child.token[:60] + "A" + child.token[61:]}), nil, 403, badToken},
		"an IAM token as a token":      {as(key{id: child.id, secret: child.secret, token: w.admin}), nil, 403, badToken},
	} {
		r := w.request(t, "POST", "/", role())
		c.signer.sign(r, role())
		if c.after != nil {
			c.after(r)
		}
		a := w.send(t, r, c.signer.secret, c.signer.token, w.admin)
		if a.status != c.status || a.code != c.code {
			if name == "an altered token" && child.token[60] == 'A' {
				continue // the one in 64 that was not altered
			}
			t.Errorf("%s: %d %s %q, want %d %s", name, a.status, a.code, a.message, c.status, c.code)
		}
	}
}

// What is no signature is named, and not repeated.
func TestOtherCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const expected = ": a request that is signed with an access key is expected"
	for authorization, want := range map[string]string{
		"Bearer " + w.admin:                        "The Authorization header holds an IAM token" + expected,
		w.admin:                                    "The Authorization header holds an IAM token" + expected,
		"Api-Key AQVN" + strings.Repeat("x", 36):   "The Authorization header holds an API key" + expected,
		"Bearer y0_" + strings.Repeat("x", 55):     "The Authorization header holds an OAuth token" + expected,
		"Basic eDp5":                               "The request is not signed",
		w.static(t, w.account(t, "signer")).secret: "The Authorization header holds a static access key's secret" + expected,
		"Bearer eyJ" + strings.Repeat("x", 40) + "." + w.admin[3:100]: "The Authorization header holds a JWT" + expected,
	} {
		r := w.request(t, "POST", "/", whoami)
		r.Header.Set("Authorization", authorization)
		secret := authorization[strings.LastIndexByte(authorization, ' ')+1:]
		a := w.send(t, r, secret)
		if a.status != http.StatusForbidden || a.code != "MissingAuthenticationToken" || !strings.HasPrefix(a.message, want) {
			t.Errorf("%s: %d %s %q, want %q", want, a.status, a.code, a.message, want)
		}
	}
}

// A message that says one thing beside a signed request that says another gets
// nowhere: the calls are behind the door alone.
func TestNotOverGRPC(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.request(t, "POST", "/", whoami)
	signer{key: w.static(t, w.account(t, "signer")), at: w.now(), service: "sts"}.sign(r, whoami)
	sum := sha256.Sum256([]byte(whoami))
	signed := &propuskpb.SignedRequest{Method: "POST", Target: "/", PayloadSha256: hex.EncodeToString(sum[:]),
		Headers: []*propuskpb.Header{{Name: "Host", Value: r.URL.Host}}}
	for name := range r.Header {
		signed.Headers = append(signed.Headers, &propuskpb.Header{Name: name, Value: r.Header.Get(name)})
	}
	c := propuskpb.NewSecurityTokenServiceClient(w.Dial(t, ""))
	_, err := c.AssumeRole(t.Context(), &propuskpb.AssumeRoleRequest{Request: signed, RoleArn: strings.Repeat("r", 20), RoleSessionName: "night-job"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("AssumeRole: %v, want UNIMPLEMENTED", err)
	}
	if _, err := c.GetCallerIdentity(t.Context(), &propuskpb.GetCallerIdentityRequest{Request: signed}); status.Code(err) != codes.Unimplemented {
		t.Errorf("GetCallerIdentity: %v, want UNIMPLEMENTED", err)
	}
}

// A request may be sent again while its time allows, and no longer.
func TestReplays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	k := w.static(t, w.account(t, "signer"))
	inHeader, inQuery := w.request(t, "POST", "/", role()), w.request(t, "GET", "/?"+whoami, "")
	signer{key: k, at: w.now(), service: "sts"}.sign(inHeader, role())
	signer{key: k, at: w.now(), service: "sts", presign: 7 * 86400}.sign(inQuery, "")
	for _, step := range []struct {
		forward time.Duration
		status  int
	}{{0, 200}, {14 * time.Minute, 200}, {61 * time.Second, 403}, {24 * time.Hour, 403}} {
		w.forward(step.forward)
		setBody(inHeader, role())
		for _, r := range []*http.Request{inHeader, inQuery} {
			if a := w.send(t, r, k.secret); a.status != step.status || step.status == 403 && a.code != "SignatureDoesNotMatch" {
				t.Errorf("%s after %v: %d %s %s, want %d", r.Method, step.forward, a.status, a.code, a.message, step.status)
			}
		}
	}
}

func edit(r *http.Request, header, from, to string) {
	r.Header.Set(header, strings.Replace(r.Header.Get(header), from, to, 1))
}

// upper spells a signature in capitals; with one that has digits alone, which
// happens never, it would do nothing.
func upper(r *http.Request) {
	head, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	r.Header.Set("Authorization", head+"Signature="+strings.ToUpper(signature))
}

func setBody(r *http.Request, body string) {
	fresh, err := http.NewRequest("POST", r.URL.String(), strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Body, r.ContentLength, r.GetBody = fresh.Body, fresh.ContentLength, fresh.GetBody
}

// signV2 signs as object stores had it before: the body is left open.
func signV2(r *http.Request, k key) {
	r.Header.Del("X-Amz-Date")
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h := hmac.New(sha1.New, []byte(k.secret))
	h.Write([]byte("POST\n\n" + form + "\n" + r.Header.Get("Date") + "\n/"))
	r.Header.Set("Authorization", "AWS "+k.id+":"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
}
