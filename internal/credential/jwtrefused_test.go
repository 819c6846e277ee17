package credential_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/iam"
)

func TestJWTRefused(t *testing.T) {
	pub, _ := x509.MarshalPKIXPublicKey(&rsaA().PublicKey)
	pubPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})
	hs256 := func(s string) []byte {
		m := hmac.New(sha256.New, pubPEM)
		m.Write([]byte(s))
		return m.Sum(nil)
	}
	rs256 := func(s string) []byte {
		digest := sha256.Sum256([]byte(s))
		sig, _ := rsa.SignPKCS1v15(rand.Reader, rsaA(), crypto.SHA256, digest[:])
		return sig
	}
	claims := func(text string) string { d := good(); d.claims = text; return d.String() }
	base := `"iss":"` + accountID + `","aud":"` + audience + `","iat":1793534400,"exp":1793534460`
	header := func(text string) string { d := good(); d.header = text; return d.String() }
	signedBy := func(d draft, f func(string) []byte) string { d.sign = f; return d.String() }
	parts := strings.Split(good().String(), ".")
	deep := func(n int) string {
		return `{` + base + `,"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	unknownKey := "is unknown, has been deleted, or is not a key of the account in 'iss'"

	for name, tc := range map[string]struct {
		jwt, want string
		reason    string
		now       time.Time
		world     func(*world)
	}{
		"empty":                {jwt: "", want: "The JWT is empty"},
		"an IAM token":         {jwt: "t1.abc.def", want: "The JWT is an IAM token", reason: "credential_kind"},
		"an OAuth token":       {jwt: "y0_" + strings.Repeat("a", 55), want: "The JWT is an OAuth token"},
		"too long":             {jwt: strings.Repeat("a", 8001), want: "longer than 8000"},
		"kid of 10 kB":         {jwt: good().head("kid", strings.Repeat("k", 10<<10)).String(), want: "longer than 8000"},
		"one part":             {jwt: "abc", want: "three parts"},
		"two parts":            {jwt: parts[0] + "." + parts[1], want: "three parts"},
		"four parts":           {jwt: good().String() + ".x", want: "three parts"},
		"line break":           {jwt: parts[0] + ".\n" + parts[1] + "." + parts[2], want: "line break"},
		"trailing line break":  {jwt: good().String() + "\r\n", want: "line break"},
		"bearer":               {jwt: "Bearer " + good().String(), want: "header is not base64url"},
		"padding":              {jwt: parts[0] + "=." + parts[1] + "." + parts[2], want: "header is not base64url"},
		"standard base64":      {jwt: parts[0] + "." + parts[1][:8] + "+/" + parts[1][10:] + "." + parts[2], want: "claims is not base64url"},
		"spare bits":           {jwt: parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-1] + nextLetter(parts[2]), want: "signature is not base64url"},
		"header not JSON":      {jwt: header("hello"), want: "header is not a valid JSON object"},
		"header an array":      {jwt: header(`["PS256"]`), want: "header is not a valid JSON object"},
		"header cut":           {jwt: header(`{"alg":"PS256"`), want: "header is not a valid JSON object"},
		"header twice":         {jwt: header(`{"alg":"PS256","kid":"` + keyID + `"}{}`), want: "header is not a valid JSON object"},
		"header with a comma":  {jwt: header(`{"alg":"PS256","kid":"x",}`), want: "header is not a valid JSON object"},
		"no alg":               {jwt: good().head("alg", nil).String(), want: "must be signed with PS256"},
		"alg none":             {jwt: signedBy(good().head("alg", "none"), func(string) []byte { return nil }), want: "must be signed with PS256"},
		"alg none, signed":     {jwt: good().head("alg", "none").String(), want: "must be signed with PS256"},
		"HS256, public key":    {jwt: signedBy(good().head("alg", "HS256"), hs256), want: "must be signed with PS256"},
		"RS256":                {jwt: signedBy(good().head("alg", "RS256"), rs256), want: "must be signed with PS256"},
		"RS256 called PS256":   {jwt: signedBy(good(), rs256), want: "signature does not match"},
		"HS256 called PS256":   {jwt: signedBy(good(), hs256), want: "signature does not match"},
		"alg in lower case":    {jwt: good().head("alg", "ps256").String(), want: "must be signed with PS256"},
		"alg a number":         {jwt: good().head("alg", 256).String(), want: "The field 'alg' in the JWT header must be a string"},
		"alg twice":            {jwt: header(`{"alg":"PS256","kid":"` + keyID + `","alg":"none"}`), want: "header gives a field twice"},
		"alg twice, escaped":   {jwt: header(`{"alg":"PS256","kid":"` + keyID + `","\u0061lg":"none"}`), want: "header gives a field twice"},
		"crit":                 {jwt: good().head("crit", []string{"exp"}).String(), want: "'crit' in the JWT header is not supported"},
		"no kid":               {jwt: good().head("kid", nil).String(), want: "The required field 'kid' is missing from the JWT header"},
		"empty kid":            {jwt: good().head("kid", "").String(), want: "The required field 'kid' is missing from the JWT header"},
		"kid null":             {jwt: header(`{"alg":"PS256","kid":null}`), want: "The field 'kid' in the JWT header must be a string"},
		"kid with quotes":      {jwt: good().head("kid", `' OR "1"="1`).String(), want: unknownKey},
		"kid with a newline":   {jwt: good().head("kid", keyID+"\n").String(), want: unknownKey},
		"kid of 4 kB":          {jwt: good().head("kid", strings.Repeat("k", 4<<10)).String(), want: unknownKey},
		"claims not JSON":      {jwt: claims(`{"iss":NaN}`), want: "The field 'iss' in the JWT claims must be a string"},
		"claims cut":           {jwt: claims(`{` + base), want: "claims is not a valid JSON object"},
		"claims empty":         {jwt: claims(``), want: "claims is not a valid JSON object"},
		"invalid UTF-8":        {jwt: claims(`{` + base + `,"x":"` + "\xff" + `"}`), want: "claims holds invalid UTF-8"},
		"a byte order mark":    {jwt: claims("\ufeff{" + base + "}"), want: "claims is not a valid JSON object"},
		"control character":    {jwt: claims("{" + base + ",\"x\":\"\x01\"}"), want: "claims is not a valid JSON object"},
		"claim twice":          {jwt: claims(`{` + base + `,"exp":1793538000}`), want: "claims gives a field twice"},
		"unknown claim twice":  {jwt: claims(`{` + base + `,"x":1,"x":1}`), want: "claims gives a field twice"},
		"twice, further in":    {jwt: claims(`{` + base + `,"x":{"y":1,"y":2}}`), want: "claims gives a field twice"},
		"nested to the limit":  {jwt: claims(deep(15)), want: ""},
		"nested too deep":      {jwt: claims(deep(16)), want: "nests deeper than 16"},
		"nested 2000 deep":     {jwt: claims(deep(2000)), want: "nests deeper than 16"},
		"objects too deep":     {jwt: claims(`{` + base + `,"x":` + strings.Repeat(`{"x":`, 16) + "1" + strings.Repeat("}", 16) + `}`), want: "nests deeper than 16"},
		"leading zero":         {jwt: claims(`{` + strings.Replace(base, "1793534460", "01793534460", 1) + `}`), want: "claims is not a valid JSON object"},
		"exp NaN":              {jwt: claims(`{` + strings.Replace(base, "1793534460", "NaN", 1) + `}`), want: "'exp' in the JWT claims must be a number of seconds"},
		"exp Infinity":         {jwt: claims(`{` + strings.Replace(base, "1793534460", "Infinity", 1) + `}`), want: "'exp' in the JWT claims must be a number of seconds"},
		"exp a string":         {jwt: good().with("exp", "1793534460").String(), want: "'exp' in the JWT claims must be a number of seconds"},
		"exp null":             {jwt: claims(`{` + strings.Replace(base, "1793534460", "null", 1) + `}`), want: "'exp' in the JWT claims must be a number of seconds"},
		"exp huge":             {jwt: claims(`{` + strings.Replace(base, "1793534460", "1e400", 1) + `}`), want: "'exp' in the JWT claims is too far"},
		"exp of 30 digits":     {jwt: claims(`{` + strings.Replace(base, "1793534460", strings.Repeat("9", 30), 1) + `}`), want: "'exp' in the JWT claims is too far"},
		"exp in milliseconds":  {jwt: good().with("exp", start.UnixMilli()).String(), want: "'exp' in the JWT claims is too far"},
		"iat negative":         {jwt: good().with("iat", -1).String(), want: "'iat' in the JWT claims must not be negative"},
		"nbf an object":        {jwt: good().with("nbf", object{}).String(), want: "'nbf' in the JWT claims must be a number"},
		"no iss":               {jwt: good().with("iss", nil).String(), want: "The required field 'iss' is missing from the JWT claims"},
		"no aud":               {jwt: good().with("aud", nil).String(), want: "The required field 'aud' is missing"},
		"no iat":               {jwt: good().with("iat", nil).String(), want: "The required field 'iat' is missing"},
		"no exp":               {jwt: good().with("exp", nil).String(), want: "The required field 'exp' is missing"},
		"iss a list":           {jwt: good().with("iss", []string{accountID}).String(), want: "'iss' in the JWT claims must be a string"},
		"aud a number":         {jwt: good().with("aud", 7).String(), want: "'aud' in the JWT claims must be a string or an array"},
		"aud a list of lists":  {jwt: good().with("aud", []any{[]string{audience}}).String(), want: "'aud' in the JWT claims must be a string or an array"},
		"aud empty list":       {jwt: good().with("aud", []string{}).String(), want: "another audience", reason: "jwt_audience"},
		"aud wrong":            {jwt: good().with("aud", "https://example.com").String(), want: "another audience"},
		"aud with a slash":     {jwt: good().with("aud", audience+"/").String(), want: "another audience"},
		"aud in capitals":      {jwt: good().with("aud", strings.ToUpper(audience)).String(), want: "another audience"},
		"3601 seconds":         {jwt: good().with("exp", start.Unix()+3601).String(), want: "at most 3600 seconds", reason: "jwt_life"},
		"3600.001 seconds":     {jwt: good().with("exp", 1793538000.001).String(), want: "at most 3600 seconds"},
		"exp before iat":       {jwt: good().with("exp", start.Unix()-1).String(), want: "expires before it is issued"},
		"expired":              {jwt: good().String(), now: start.Add(time.Hour + time.Minute), want: "The JWT has expired: the time here is 2026-11-01T13:01:00Z", reason: "jwt_expired"},
		"iat in the future":    {jwt: good().String(), now: start.Add(-time.Minute - time.Nanosecond), want: "not valid yet: 'iat' is in the future: the time here is 2026-11-01T11:58:59Z", reason: "jwt_not_yet_valid"},
		"nbf in the future":    {jwt: good().with("nbf", start.Unix()+61).String(), want: "not valid yet: 'nbf'"},
		"jti empty":            {jwt: good().with("jti", "").String(), want: "'jti' in the JWT claims is empty"},
		"unknown key":          {jwt: good().head("kid", "ajenobody").String(), want: unknownKey, reason: "jwt_key_unknown"},
		"key of another":       {jwt: good().head("kid", otherKey).String(), want: unknownKey},
		"other's key, proved":  {jwt: draft{header: object{"alg": "PS256", "kid": otherKey}, claims: goodClaims(), key: rsaB(), salt: 32}.String(), want: "belongs to another account"},
		"iss of nobody":        {jwt: good().with("iss", "ajenobody").String(), want: "belongs to another account"},
		"iss of nobody, bad":   {jwt: flip(good().with("iss", "ajenobody").String()), want: unknownKey},
		"bad signature":        {jwt: flip(good().String()), want: "signature does not match", reason: "jwt_signature"},
		"another's signature":  {jwt: draft{header: good().header, claims: goodClaims(), key: rsaB(), salt: 32}.String(), want: "signature does not match"},
		"empty signature":      {jwt: parts[0] + "." + parts[1] + ".", want: "signature does not match"},
		"short signature":      {jwt: parts[0] + "." + parts[1] + "." + parts[2][:100], want: "signature does not match"},
		"claims changed":       {jwt: parts[0] + "." + strings.Split(good().with("sub", "x").String(), ".")[1] + "." + parts[2], want: "signature does not match"},
		"suspended":            {jwt: good().String(), want: "account " + accountID + " is suspended", world: func(w *world) { w.accounts[accountID].Status = iam.ServiceAccountSuspended }},
		"suspended, unproved":  {jwt: flip(good().String()), want: "signature does not match", world: func(w *world) { w.accounts[accountID].Status = iam.ServiceAccountSuspended }},
		"account expired":      {jwt: good().String(), want: "account " + accountID + " has expired", world: func(w *world) { w.accounts[accountID].ExpiresAt = start }},
		"account deleted":      {jwt: good().String(), want: "account " + accountID + " has been deleted", world: func(w *world) { delete(w.accounts, accountID) }},
		"account without path": {jwt: good().String(), want: "account " + accountID + " has been deleted", world: func(w *world) { w.ancestors = nil }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tc.world != nil {
				tc.world(w)
			}
			if tc.now.IsZero() {
				tc.now = start
			}
			id, err := prover(t, w, tc.now).Prove(t.Context(), tc.jwt)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *iam.Error
			if !errors.As(err, &e) || id != nil {
				t.Fatalf("identity %v, error %v", id, err)
			}
			if e.Kind != iam.Unauthenticated || e.Reason == "" || !strings.Contains(e.Message, tc.want) {
				t.Errorf("%s (%s), want UNAUTHENTICATED %q", e, e.Reason, tc.want)
			}
			if tc.reason != "" && e.Reason != tc.reason {
				t.Errorf("reason %q, want %q", e.Reason, tc.reason)
			}
			for _, secret := range strings.Split(tc.jwt, ".") {
				if len(secret) > 12 && strings.Contains(e.Error(), secret) {
					t.Error("the error quotes the JWT")
				}
			}
			for _, id := range w.lookups {
				if len(id) > 50 || strings.ContainsAny(id, "\n'\" ") {
					t.Errorf("looked up %.60q", id)
				}
			}
		})
	}
}
