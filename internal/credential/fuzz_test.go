package credential_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/propusk/propusk/internal/credential"
	"github.com/propusk/propusk/internal/iam"
)

// value is JSON as the standard library reads it: an object is a map, and what
// it cannot tell (repeated names, depth) is looked for on the way.
func decode(b []byte) (map[string]any, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("invalid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more behind it")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("not an object")
	}
	return m, nil
}

func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth++; depth > credential.MaxDepth {
		return nil, errors.New("too deep")
	}
	if delim == '[' {
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	m := map[string]any{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		if _, twice := m[name.(string)]; twice {
			return nil, errors.New("given twice")
		}
		if m[name.(string)], err = decodeValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err = d.Token()
	return m, err
}

// reference is parseClaims by means of the standard library.
func reference(b []byte, audience string) (c credential.ParsedClaims, err error) {
	if !json.Valid(b) { // Decoder.Token alone is laxer about commas
		return c, errors.New("not JSON")
	}
	m, err := decode(b)
	if err != nil {
		return c, err
	}
	text := func(name string, into *string, has *bool) {
		if v, ok := m[name]; ok {
			s, isText := v.(string)
			if !isText {
				err = fmt.Errorf("%s is no string", name)
			}
			*into, *has = s, true
		}
	}
	moment := func(name string, into *int64, has *bool) {
		v, ok := m[name]
		if !ok {
			return
		}
		n, isNumber := v.(json.Number)
		if !isNumber || strings.HasPrefix(string(n), "-") {
			err = fmt.Errorf("%s is no time", name)
			return
		}
		*has = true
		if *into, ok = nanoseconds(string(n)); !ok {
			err = fmt.Errorf("%s is too large", name)
		}
	}
	text("iss", &c.Iss, &c.HasIss)
	text("jti", &c.Jti, &c.HasJti)
	moment("iat", &c.Iat, &c.HasIat)
	moment("exp", &c.Exp, &c.HasExp)
	moment("nbf", &c.Nbf, &c.HasNbf)
	if v, ok := m["aud"]; ok {
		c.HasAud = true
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for _, a := range list {
			s, isText := a.(string)
			if !isText {
				return c, errors.New("aud is no text")
			}
			c.AudienceAccepted = c.AudienceAccepted || s == audience
		}
	}
	return c, err
}

func nanoseconds(number string) (int64, bool) {
	if i := strings.IndexAny(number, "eE"); i >= 0 && len(number)-i > 5 {
		return 0, strings.Contains(number[i:], "-") // beyond what big.Rat should be asked for
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok || r.Cmp(big.NewRat(1<<33, 1)) >= 0 {
		return 0, false
	}
	r.Mul(r, big.NewRat(1e9, 1))
	return new(big.Int).Quo(r.Num(), r.Denom()).Int64(), true
}

func FuzzJWTClaims(f *testing.F) {
	base := `"iss":"` + accountID + `","aud":"` + audience + `","iat":1793534400,"exp":1793538000`
	for _, s := range []string{
		"{" + base + "}", " {\n" + base + ` , "nbf" : 1.5, "jti":"x", "x":[1,{"y":null},true,-0.5e-3] } `,
		`{` + base + `,"exp":1}`, `{"a\u0075d":["x"]}`, `{"iss":"\ud800"}`, `{"exp":1e3,"iat":12.34567890123,"nbf":8589934592}`,
		`{"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, `{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`,
		`{"exp":-1}`, `{"exp":1e999999999}`, `{"a":1,}`, `{,}`, `[`, `{"a":01}`, `{"a":"` + "\x7f\u2028" + `"}`, `{"aud":[]}`, `{"aud":["a",]}`,
		`{"":"","` + strings.Repeat("a", 30) + `":0.0}`, `{"a":1}x`, "{\"a\":1}\x00", `{"iss":null}`, "\ufeff{}", `{"a":tru}`, `{"\"":"\\"}`,
	} {
		f.Add([]byte(s))
	}
	many := `{`
	for i := range 40 {
		many += fmt.Sprintf(`"c%d":%d,`, i, i)
	}
	f.Add([]byte(many + `"c1":1}`))
	f.Add([]byte(many + `"d":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := credential.ParseClaims(b, audience)
		want, wantErr := reference(b, audience)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, the standard library says %v", b, err, wantErr)
		}
		if err != nil {
			if iam.KindOf(err) != iam.Unauthenticated {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, p := range []struct{ got, want *int64 }{{&got.Iat, &want.Iat}, {&got.Exp, &want.Exp}, {&got.Nbf, &want.Nbf}} {
			// A number with an exponent goes through a float64.
			if d := *p.got - *p.want; d > -2000 && d < 2000 && bytes.ContainsAny(b, "eE") {
				*p.got = *p.want
			}
		}
		if got != want {
			t.Fatalf("%q:\n%+v, the standard library says\n%+v", b, got, want)
		}
	})
}

func FuzzJWTHeader(f *testing.F) {
	for _, s := range []string{
		`{"alg":"PS256","kid":"k","typ":"JWT"}`, `{"alg":1}`, `{"crit":[{"a":1}],"alg":"x"}`, `{"kid":"\n"}`, `{"kid":"a","kid":"b"}`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		alg, kid, critical, err := credential.ParseHeader(b)
		m, wantErr := decode(b)
		if !json.Valid(b) {
			wantErr = errors.New("not JSON")
		}
		text := func(name string) string {
			v, ok := m[name]
			s, isText := v.(string)
			if ok && !isText {
				wantErr = errors.New("no string")
			}
			return s
		}
		wantAlg, wantKid := text("alg"), text("kid")
		_, wantCritical := m["crit"]
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: %v, the standard library says %v", b, err, wantErr)
		}
		if err == nil && (alg != wantAlg || kid != wantKid || critical != wantCritical) {
			t.Fatalf("%q: %q %q %v", b, alg, kid, critical)
		}
	})
}

func FuzzSplitJWT(f *testing.F) {
	f.Add(good().String())
	f.Add("a.b.c")
	f.Add("AA.AA.AB")
	f.Add("..")
	f.Add("AAAA\n.AA.")
	f.Add(strings.Repeat("A", 8001))
	f.Fuzz(func(t *testing.T, jwt string) {
		header, claims, signature, err := credential.SplitJWT(jwt)
		if err != nil {
			return
		}
		b64 := base64.RawURLEncoding
		again := b64.EncodeToString(header) + "." + b64.EncodeToString(claims) + "." + b64.EncodeToString(signature)
		if again != jwt {
			t.Fatalf("two spellings of one JWT: %q and %q", jwt, again)
		}
	})
}
