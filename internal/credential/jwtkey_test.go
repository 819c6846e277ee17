package credential_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/replica"
	"github.com/propusk/propusk/token"
)

func TestJWTProves(t *testing.T) {
	jwt := good().String()
	w := newWorld()
	w.accounts[accountID].ExpiresAt = start.Add(2 * time.Hour)
	id, err := prover(t, w, start).Prove(t.Context(), jwt)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(jwt))
	want := &credential.Identity{
		Subject:        iam.Subject{ID: accountID, Type: iam.TypeServiceAccount},
		OrganizationID: "bpforg", CloudID: "b1gcloud", FolderID: "b1gfolder",
		How: "jwt", CredentialID: keyID, JWTDigest: fmt.Sprintf("%x", sum)[:32],
		Position: 41, NotAfter: start.Add(2 * time.Hour),
		DependsOn: []token.Dependency{
			{Kind: token.KindCredential, ID: keyID}, {Kind: token.KindSubject, ID: accountID},
			{Kind: token.KindFolder, ID: "b1gfolder"}, {Kind: token.KindCloud, ID: "b1gcloud"}, {Kind: token.KindOrganization, ID: "bpforg"},
		},
	}
	if diff := cmp.Diff(want, id); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestJWTAccepted(t *testing.T) {
	large := newRSA(4096)
	for name, tc := range map[string]struct {
		jwt draft
		now time.Time
	}{
		"as the documentation shows": {jwt: good()},
		"no typ":                     {jwt: good().head("typ", nil)},
		"another typ":                {jwt: good().head("typ", "at+jwt")},
		"unknown header":             {jwt: good().head("x5t", object{"a": []int{1}})},
		"second audience":            {jwt: good().with("aud", "https://iam.example.com/iam/v1/tokens")},
		"audience in an array":       {jwt: good().with("aud", []string{audience})},
		"one audience of several":    {jwt: good().with("aud", []string{"x", audience, "y"})},
		"nbf":                        {jwt: good().with("nbf", start.Unix())},
		"fractions":                  {jwt: good().with("iat", 1793534400.25).with("exp", 1793534460.75)},
		"exponent":                   {jwt: draft{header: good().header, claims: `{"iss":"` + accountID + `","aud":"` + audience + `","iat":1.7935344e9,"exp":17935344600e-1}`, key: rsaA(), salt: 32}},
		"unknown claims":             {jwt: good().with("sub", accountID).with("scope", object{"x": []any{nil, true, -1.5e3}})},
		"many unknown claims":        {jwt: manyClaims(200)},
		"escaped":                    {jwt: draft{header: `{"a\u006cg":"PS256","kid":"` + keyID + `"}`, claims: `{"iss":"` + accountID + `","aud":"` + strings.ReplaceAll(audience, "/", `\/`) + `","iat":1793534400,"exp":1793534460}`, key: rsaA(), salt: 32}},
		"white space":                {jwt: draft{header: " {\n\"alg\" : \"PS256\",\t\"kid\":\"" + keyID + "\"}\r\n", claims: goodClaims(), key: rsaA(), salt: 32}},
		"no salt":                    {jwt: draft{header: good().header, claims: goodClaims(), key: rsaA(), salt: 0, sign: func(s string) []byte { return pssNoSalt(s) }}},
		"salt of 20":                 {jwt: draft{header: good().header, claims: goodClaims(), key: rsaA(), salt: 20}},
		"salt of 64":                 {jwt: draft{header: good().header, claims: goodClaims(), key: rsaA(), salt: 64}},
		"the longest salt":           {jwt: draft{header: good().header, claims: goodClaims(), key: rsaA(), salt: rsa.PSSSaltLengthAuto}},
		"RSA-4096":                   {jwt: draft{header: object{"alg": "PS256", "kid": "ajekey4096"}, claims: goodClaims(), key: large, salt: 32}},
		"just within the skew":       {jwt: good(), now: start.Add(time.Hour + time.Minute - time.Nanosecond)},
		"from a fast clock":          {jwt: good(), now: start.Add(-time.Minute)},
		"nbf from a fast clock":      {jwt: good().with("nbf", start.Unix()+60)},
		"one second of life":         {jwt: good().with("exp", start.Unix()+1)},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.keys["ajekey4096"] = &replica.AuthorizedKey{Key: iam.Key{ID: "ajekey4096", ServiceAccountID: accountID}, Public: prepared(large)}
			if tc.now.IsZero() {
				tc.now = start
			}
			if _, err := prover(t, w, tc.now).Prove(t.Context(), tc.jwt.String()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestUnprovedCallersCannotTellKeysApart(t *testing.T) {
	p := prover(t, newWorld(), start)
	_, unknown := p.Prove(t.Context(), good().head("kid", "ajenobody").String())
	_, another := p.Prove(t.Context(), good().head("kid", otherKey).String())
	if unknown == nil || another == nil || unknown.Error() != another.Error() {
		t.Errorf("%v\n%v", unknown, another)
	}
}

func TestJWTStoreAway(t *testing.T) {
	w := newWorld()
	w.failing = iam.Errorf(iam.Unavailable, "The database is away")
	if _, err := prover(t, w, start).Prove(t.Context(), good().String()); iam.KindOf(err) != iam.Unavailable {
		t.Errorf("%v", err)
	}
}

func TestNewJWTKey(t *testing.T) {
	ok := credential.JWTKeyConfig{Reads: newWorld(), Audiences: []string{"a"}, Now: time.Now}
	for name, change := range map[string]func(*credential.JWTKeyConfig){
		"no reads":       func(c *credential.JWTKeyConfig) { c.Reads = nil },
		"no clock":       func(c *credential.JWTKeyConfig) { c.Now = nil },
		"no audience":    func(c *credential.JWTKeyConfig) { c.Audiences = nil },
		"empty audience": func(c *credential.JWTKeyConfig) { c.Audiences = []string{""} },
		"a day of skew":  func(c *credential.JWTKeyConfig) { c.Skew = 24 * time.Hour },
		"negative life":  func(c *credential.JWTKeyConfig) { c.MaxLife = -time.Hour },
	} {
		c := ok
		change(&c)
		if _, err := credential.NewJWTKey(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	c := ok
	c.Skew = -1
	c.Audiences = []string{audience}
	c.Now = func() time.Time { return start.Add(time.Hour) }
	p, err := credential.NewJWTKey(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Prove(t.Context(), good().String()); err == nil {
		t.Error("without skew, exp itself is too late")
	}
}
