package mint_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/iam"
	"github.com/propusk/propusk/internal/mint"
	"github.com/propusk/propusk/internal/store"
)

const issuer = "https://iam.example.com"

// partsOf decodes header and claims.
func partsOf(t *testing.T, text iam.Secret) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(text.Reveal(), ".")
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(raw, into) != nil {
			t.Fatalf("part %d: %s", i, raw)
		}
	}
	return header, claims
}

func TestPersonsIDToken(t *testing.T) {
	c := &clock{whole}
	k := newIDKeys(t, newDB(t, c.Now), newBox(t), c.Now, nil)
	r := mint.PersonIDRequest{Issuer: issuer, Subject: "aje1", ClientID: "ajeapp", Nonce: "n", AuthenticatedAt: whole.Add(-time.Minute),
		Methods: []string{"pwd", "otp"}, SessionID: "ajeses", AccessToken: iam.NewSecret("access"),
		Claims: mint.PersonClaims{Name: "Alice", GivenName: "A", FamilyName: "L", Login: "alice", Email: "a@example.com", Groups: []string{"g1"}}}
	made, err := k.MintPerson(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	half := sha256.Sum256([]byte("access"))
	header, claims := partsOf(t, made.Text)
	want := map[string]any{"iss": issuer, "sub": "aje1", "aud": "ajeapp", "azp": "ajeapp", "nonce": "n", "auth_time": float64(whole.Unix() - 60),
		"iat": float64(whole.Unix()), "exp": float64(whole.Unix() + 3600), "jti": made.ID, "amr": []any{"pwd", "otp"}, "sid": "ajeses",
		"at_hash": base64.RawURLEncoding.EncodeToString(half[:16]), "name": "Alice", "given_name": "A", "family_name": "L",
		"preferred_username": "alice", "email": "a@example.com", "email_verified": false, "groups": []any{"g1"}}
	if d := cmp.Diff(want, claims); d != "" || header["typ"] != "JWT" || header["alg"] != "RS256" {
		t.Errorf("header %v, claims %s", header, d)
	}
	for name := range claims {
		if !strings.Contains(strings.Join(mint.IDClaims(), " "), name) {
			t.Errorf("IDClaims lacks %s", name)
		}
	}
	bare, err := k.MintPerson(t.Context(), mint.PersonIDRequest{Issuer: issuer, Subject: "aje1", ClientID: "ajeapp", AuthenticatedAt: whole, NotAfter: whole.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if _, claims := partsOf(t, bare.Text); len(claims) != 8 || claims["exp"] != float64(whole.Unix()+60) {
		t.Errorf("a token without claims: %v", claims)
	}
}

func accessOf(t *testing.T, k *mint.IDKeys) *mint.IDToken {
	t.Helper()
	made, err := k.MintAccess(t.Context(), mint.AccessRequest{Issuer: issuer, Subject: "aje1", ClientID: "ajeapp", GrantID: "ajegrant", Scopes: []string{"openid", "email"}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestAccessTokens(t *testing.T) {
	c := &clock{whole}
	db, box := newDB(t, c.Now), newBox(t)
	k := newIDKeys(t, db, box, c.Now, nil)
	made := accessOf(t, k)
	if header, _ := partsOf(t, made.Text); header["typ"] != "at+jwt" {
		t.Errorf("header %v", header)
	}
	want := &mint.AccessClaims{ID: made.ID, Issuer: issuer, Subject: "aje1", ClientID: "ajeapp", GrantID: "ajegrant", Scopes: []string{"openid", "email"},
		Audience: issuer, IssuedAt: whole.UTC(), ExpiresAt: whole.Add(time.Hour).UTC()}
	got, err := k.VerifyAccess(t.Context(), made.Text.Reveal(), issuer)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, %s", err, d)
	}
	refused := func(what, text, issuer string) {
		t.Helper()
		if _, err := k.VerifyAccess(t.Context(), text, issuer); iam.KindOf(err) != iam.Unauthenticated || strings.Contains(err.Error(), text) && text != "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	text := made.Text.Reveal()
	parts := strings.Split(text, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	kid := made.KeyID
	elsewhere, err := newIDKeys(t, newDB(t, c.Now), newBox(t), c.Now, nil).MintAccess(t.Context(), mint.AccessRequest{Issuer: issuer, Subject: "aje1"})
	if err != nil {
		t.Fatal(err)
	}
	person, err := k.MintPerson(t.Context(), mint.PersonIDRequest{Issuer: issuer, Subject: "aje1", ClientID: "ajeapp"})
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string]string{
		"none": "", "two parts": parts[0] + "." + parts[1], "four parts": text + ".x", "no signature": parts[0] + "." + parts[1] + ".",
		"other claims":       parts[0] + "." + b64([]byte(`{"iss":"`+issuer+`","sub":"aje2","exp":99999999999}`)) + "." + parts[2],
		"alg none":           b64([]byte(`{"alg":"none","kid":"`+kid+`","typ":"at+jwt"}`)) + "." + parts[1] + ".",
		"alg HS256":          b64([]byte(`{"alg":"HS256","kid":"`+kid+`","typ":"at+jwt"}`)) + "." + parts[1] + "." + parts[2],
		"an unknown key":     b64([]byte(`{"alg":"RS256","kid":"ajenone","typ":"at+jwt"}`)) + "." + parts[1] + "." + parts[2],
		"padding":            text + "=",
		"a line break":       text + "\n",
		"another server's":   elsewhere.Text.Reveal(),
		"an ID token":        person.Text.Reveal(),
		"spare bits":         text[:len(text)-1] + string(text[len(text)-1]^1),
		"far too long":       strings.Repeat("a", 70000) + ".b.c",
		"an IAM token":       "t1.aaaa.bbbb",
		"a header of pieces": "." + parts[1] + "." + parts[2],
	} {
		refused(what, bad, issuer)
	}
	refused("another issuer", text, "https://elsewhere.example")
	if _, err := k.VerifyHint(t.Context(), text, issuer); iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("an access token as a hint: %v", err)
	}
	c.at = whole.Add(time.Hour - time.Second)
	if _, err := k.VerifyAccess(t.Context(), text, issuer); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	c.at = whole.Add(time.Hour)
	refused("at its end", text, issuer)
	c.at = whole.Add(-2 * time.Minute)
	refused("before it was made", text, issuer)
}

func TestHintsOutliveTheirTokens(t *testing.T) {
	c := &clock{whole}
	k := newIDKeys(t, newDB(t, c.Now), newBox(t), c.Now, nil)
	made, err := k.MintPerson(t.Context(), mint.PersonIDRequest{Issuer: issuer, Subject: "aje1", ClientID: "ajeapp"})
	if err != nil {
		t.Fatal(err)
	}
	c.at = whole.Add(20 * 24 * time.Hour)
	hint, err := k.VerifyHint(t.Context(), made.Text.Reveal(), issuer)
	if d := cmp.Diff(&mint.Hint{Subject: "aje1", ClientID: "ajeapp"}, hint); d != "" || err != nil {
		t.Errorf("%v, %s", err, d)
	}
	if _, err := k.VerifyHint(t.Context(), made.Text.Reveal(), "https://elsewhere.example"); iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("another issuer's: %v", err)
	}
}

func TestAccessTokensAndRotation(t *testing.T) {
	c := &clock{whole}
	db, box := newDB(t, c.Now), newBox(t)
	k := newIDKeys(t, db, box, c.Now, nil)
	accessOf(t, k)
	if err := k.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The last moment at which the old key signs, on a node that has not heard of the new one.
	c.at = whole.Add(24*time.Hour - time.Second)
	made := accessOf(t, k)
	c.at = c.at.Add(time.Hour - time.Second)
	if _, err := k.VerifyAccess(t.Context(), made.Text.Reveal(), issuer); err != nil {
		t.Errorf("after its key was replaced: %v", err)
	}
	fresh := accessOf(t, k)
	if fresh.KeyID == made.KeyID {
		t.Fatal("the key was not replaced")
	}
	if err := k.Distrust(t.Context(), fresh.KeyID, func(*store.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := k.VerifyAccess(t.Context(), fresh.Text.Reveal(), issuer); iam.KindOf(err) != iam.Unauthenticated {
		t.Errorf("of a key that is distrusted: %v", err)
	}
}

func FuzzVerifyAccess(f *testing.F) {
	c := &clock{whole}
	db, box := newDB(f, c.Now), newBox(f)
	k, err := mint.NewIDKeys(mint.IDKeysConfig{DB: db, Box: box, Now: c.Now})
	if err != nil {
		f.Fatal(err)
	}
	made, err := k.MintAccess(f.Context(), mint.AccessRequest{Issuer: issuer, Subject: "aje1"})
	if err != nil {
		f.Fatal(err)
	}
	good := made.Text.Reveal()
	for _, seed := range []string{"", "..", good, good[:len(good)-1], "eyJ9.eyJ9.AA", `e30.e30.AA`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := k.VerifyAccess(t.Context(), text, issuer); (err == nil) != (text == good) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
