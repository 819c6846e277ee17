package cloudapi_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"crypto/hmac"
	"crypto/sha256"

	iampb "github.com/yandex-cloud/go-genproto/yandex/cloud/iam/v1"
	rmpb "github.com/yandex-cloud/go-genproto/yandex/cloud/resourcemanager/v1"
	"google.golang.org/grpc/codes"

	"github.com/propusk/propusk/internal/keyfile"
)

// TestBadBearers puts everything but a good IAM token into the Authorization
// header of both doors: 401, a text that says what is wrong, nothing quoted.
func TestBadBearers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.owner.token
	foreign := newWorld(t).owner.token
	w.secret(foreign)
	cases := map[string]struct{ header, text string }{
		"nothing":                  {"", "carries no credential"},
		"no value":                 {"Bearer", "carries no credential"},
		"blank value":              {"Bearer    ", "carries no credential"},
		"no scheme":                {good, "without the word 'Bearer'"},
		"garbage":                  {"Bearer garbage", "The token is invalid"},
		"half a token":             {"Bearer " + good[:len(good)/2], "The token is invalid"},
		"no signature":             {"Bearer " + good[:strings.LastIndexByte(good, '.')+1], "The token is invalid"},
		"its last character short": {"Bearer " + good[:len(good)-1], "The token is invalid"},
		"one character more":       {"Bearer " + good + "A", "The token is invalid"},
		"padded":                   {"Bearer " + good + "==", "The token is invalid"},
		"another prefix":           {"Bearer t2" + good[2:], "The token is invalid"},
		"a dot more":               {"Bearer " + good + ".", "The token is invalid"},
		"two tokens":               {"Bearer " + good + " " + good, "The token is invalid"},
		"two with a comma":         {"Bearer " + good + ", Bearer " + good, "The token is invalid"},
		"of another server":        {"Bearer " + foreign, "The token is invalid"},
		"a JWT":                    {"Bearer " + w.jwt(t, w.Key), "holds a JWT"},
		"an API key":               {"Bearer AQVN" + strings.Repeat("x", 36), "holds an API key"},
		"an API key by its scheme": {"Api-Key AQVN" + strings.Repeat("x", 36), "holds an API key"},
		"an OAuth token":           {"Bearer y0_" + strings.Repeat("A", 55), "holds an OAuth token"},
		"a static key":             {"Bearer YC" + strings.Repeat("x", 38), "holds a static access key's secret"},
		"a cookie":                 {"Bearer c1." + strings.Repeat("x", 40), "holds an IAM cookie"},
		"a refresh token":          {"Bearer rt1." + strings.Repeat("x", 40), "holds a refresh token"},
		"a password":               {"Basic " + base64.StdEncoding.EncodeToString([]byte("iam:"+good)), "holds Basic credentials"},
		"an AWS signature":         {"AWS4-HMAC-SHA256 Credential=x", "holds an AWS signature"},
		"another scheme":           {"Negotiate x", "holds another scheme"},
		"ten kilobytes":            {"Bearer t1." + strings.Repeat("x", 10_000) + ".y", "The token is invalid"},
	}
	for at := 3; at < len(good); at += 7 {
		if good[at] != '.' {
			cases["flipped at "+string(rune('0'+at/100))+string(rune('0'+at/10%10))+string(rune('0'+at%10))] =
				struct{ header, text string }{"Bearer " + flip(good, at), "The token is invalid"}
		}
	}
	nobody := w.withToken(t, "")
	for what, c := range cases {
		get := &rmpb.GetCloudRequest{CloudId: w.home.CloudID}
		var pairs, headers []string
		if c.header != "" {
			pairs, headers = []string{"authorization", c.header}, []string{"Authorization", c.header}
		}
		for door, a := range map[string]answer{
			"gRPC": nobody.do(t, "cloud.Get", get, new(rmpb.Cloud), pairs...),
			"REST": nobody.doREST(t, "cloud.Get", get, new(rmpb.Cloud), headers...),
		} {
			if a.code != codes.Unauthenticated || !strings.Contains(a.message, c.text) {
				t.Errorf("%s over %s: %v %q, want UNAUTHENTICATED with %q", what, door, a.code, a.message, c.text)
			}
		}
	}
	for _, h := range []string{"bearer " + good, "BEARER " + good, "Bearer   " + good, "Bearer " + good + "  "} {
		nobody.do(t, "cloud.Get", &rmpb.GetCloudRequest{CloudId: w.home.CloudID}, new(rmpb.Cloud), "authorization", h)
		if r := w.Do(t, "GET", "", "/resource-manager/v1/clouds", nil, "Authorization", h); r.Code != 200 {
			t.Errorf("%.10q is not taken: %d %s", h, r.Code, r.Body)
		}
	}
	// Two headers: REST calls it a bad request, gRPC reads them as one that is no token.
	a := w.owner.do(t, "cloud.Get", &rmpb.GetCloudRequest{CloudId: w.home.CloudID}, new(rmpb.Cloud), "authorization", "Bearer "+good)
	if a.code != codes.Unauthenticated {
		t.Errorf("two authorization headers over gRPC: %v", a.code)
	}
	// Who calls comes before what is asked.
	for _, c := range []*caller{nobody, w.withToken(t, "garbage")} {
		c.refuse(t, "cloud.Get", &rmpb.GetCloudRequest{CloudId: strings.Repeat("x", 1000)}, codes.Unauthenticated, "")
		if r := w.Do(t, "POST", c.token, "/iam/v1/serviceAccounts", "{{{"); r.Code != 401 {
			t.Errorf("a body that is not JSON is looked at before the caller: %d %s", r.Code, r.Body)
		}
	}
}

// TestBadJWTs exchanges JWTs that prove nothing, over both doors.
func TestBadJWTs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.jwt(t, w.Key)
	f, err := keyfile.Parse(w.Key)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding
	header, _ := b64.DecodeString(parts[0])
	body, _ := b64.DecodeString(parts[1])
	with := func(header, claims string) string {
		return b64.EncodeToString([]byte(header)) + "." + b64.EncodeToString([]byte(claims)) + "." + parts[2]
	}
	kid := func(kid string) string { return with(`{"alg":"PS256","kid":`+kid+`}`, string(body)) }
	hs256 := func() string {
		signed := b64.EncodeToString([]byte(`{"alg":"HS256","kid":"`+f.ID+`"}`)) + "." + parts[1]
		mac := hmac.New(sha256.New, []byte(f.PublicKey))
		mac.Write([]byte(signed))
		return signed + "." + b64.EncodeToString(mac.Sum(nil))
	}
	const unauthenticated, invalid = codes.Unauthenticated, codes.InvalidArgument
	cases := map[string]struct {
		jwt  string
		code codes.Code
		text string
	}{
		"empty":               {"", unauthenticated, "The JWT is empty"},
		"garbage":             {"garbage", unauthenticated, "three parts"},
		"two parts":           {parts[0] + "." + parts[1], unauthenticated, "three parts"},
		"four parts":          {good + ".x", unauthenticated, "three parts"},
		"an IAM token":        {w.owner.token, unauthenticated, "is an IAM token"},
		"an OAuth token":      {"y0_" + strings.Repeat("A", 55), unauthenticated, "is an OAuth token"},
		"8001 characters":     {strings.Repeat("x", 8001), invalid, "jwt"},
		"bit flipped":         {flip(good, len(good)-20), unauthenticated, "signature does not match"},
		"truncated":           {good[:len(good)-1], unauthenticated, ""},
		"alg none":            {with(`{"alg":"none","kid":"`+f.ID+`"}`, string(body)), unauthenticated, "PS256"},
		"alg HS256":           {hs256(), unauthenticated, "PS256"},
		"alg RS256":           {with(`{"alg":"RS256","kid":"`+f.ID+`"}`, string(body)), unauthenticated, "PS256"},
		"no kid":              {with(`{"alg":"PS256"}`, string(body)), unauthenticated, "'kid' is missing"},
		"kid a number":        {kid(`7`), unauthenticated, "'kid'"},
		"kid with quotes":     {kid(`"a\"b'c"`), unauthenticated, "unknown"},
		"kid with newlines":   {kid(`"a\nb"`), unauthenticated, "unknown"},
		"kid of 5 kB":         {kid(`"` + strings.Repeat("k", 5000) + `"`), unauthenticated, "unknown"},
		"kid of 10 kB":        {kid(`"` + strings.Repeat("k", 10_000) + `"`), invalid, "jwt"},
		"kid unknown":         {kid(`"ajenever0000000000000"`), unauthenticated, "unknown"},
		"crit":                {with(`{"alg":"PS256","kid":"`+f.ID+`","crit":["x"]}`, string(body)), unauthenticated, "crit"},
		"duplicate claims":    {with(string(header), strings.Replace(string(body), "{", `{"iss":"x",`, 1)), unauthenticated, "twice"},
		"duplicate alg":       {with(`{"alg":"none","alg":"PS256","kid":"x"}`, string(body)), unauthenticated, "twice"},
		"deep nesting":        {with(string(header), `{"x":`+strings.Repeat("[", 400)+strings.Repeat("]", 400)+`}`), unauthenticated, "deeper"},
		"not UTF-8":           {with(string(header), "{\"iss\":\"\xff\"}"), unauthenticated, "UTF-8"},
		"another audience":    {with(string(header), strings.Replace(string(body), keyfile.PublicAudience, "https://example.com", 1)), unauthenticated, "audience"},
		"exp NaN":             {with(string(header), `{"iss":"a","aud":"b","iat":1,"exp":NaN}`), unauthenticated, ""},
		"exp 1e400":           {with(string(header), `{"iss":"a","aud":"b","iat":1,"exp":1e400}`), unauthenticated, "exp"},
		"exp negative":        {with(string(header), `{"iss":"a","aud":"b","iat":-2,"exp":-1}`), unauthenticated, "negative"},
		"exp a text":          {with(string(header), `{"iss":"a","aud":"b","iat":"1","exp":"2"}`), unauthenticated, "number"},
		"expired":             {with(string(header), `{"iss":"a","aud":"b","iat":1,"exp":2}`), unauthenticated, "has expired"},
		"in the future":       {with(string(header), `{"iss":"a","aud":"b","iat":4000000000,"exp":4000000100}`), unauthenticated, "not valid yet"},
		"too long a life":     {with(string(header), `{"iss":"a","aud":"b","iat":1,"exp":4000000000}`), unauthenticated, "too long"},
		"claims are a list":   {with(string(header), `[]`), unauthenticated, "JSON object"},
		"claims are no JSON":  {with(string(header), `{`), unauthenticated, "JSON"},
		"line break":          {good[:40] + "\n" + good[40:], unauthenticated, "line break"},
		"a blank at the end":  {good + " ", unauthenticated, ""},
		"base64 with padding": {parts[0] + "=." + parts[1] + "." + parts[2], unauthenticated, "base64url"},
	}
	nobody := w.withToken(t, "")
	for what, c := range cases {
		if len(c.jwt) > 60 {
			w.secret(c.jwt[len(c.jwt)-60:])
		}
		req := &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_Jwt{Jwt: c.jwt}}
		for door, a := range map[string]answer{
			"gRPC": nobody.do(t, "token.Create", req, new(iampb.CreateIamTokenResponse)),
			"REST": nobody.doREST(t, "token.Create", req, new(iampb.CreateIamTokenResponse)),
		} {
			if a.code != c.code || !strings.Contains(a.message, c.text) {
				t.Errorf("%s over %s: %v %q, want %v with %q", what, door, a.code, a.message, c.code, c.text)
			}
		}
	}
	oauth := &iampb.CreateIamTokenRequest{Identity: &iampb.CreateIamTokenRequest_YandexPassportOauthToken{YandexPassportOauthToken: "y0_" + strings.Repeat("A", 55)}}
	nobody.refuse(t, "token.Create", oauth, unauthenticated, "OAuth token is invalid or expired")
	nobody.refuse(t, "token.Create", &iampb.CreateIamTokenRequest{}, invalid, "identity: One of the options must be selected")
}
