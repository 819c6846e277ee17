package function

import (
	"bytes"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/iam"
)

// Idle is how many processes wait for work.
func (r *Runner) Idle() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.idle)
}

// TestLogHidesTokens however a text is cut into pieces.
func TestLogHidesTokens(t *testing.T) {
	text := "a token t1.abc.t1.abd and t1.ab, t1.t1.abc"
	want := "a token *** hidden ***.t1.abd and t1.ab, t1.*** hidden ***"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		l := NewLogbook(&out)
		l.Hide(iam.NewSecret("t1.abc"))
		l.Hide(iam.NewSecret(""))
		p := l.printer()
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			if wrote, err := p.Write([]byte(rest[:n])); wrote != n || err != nil {
				t.Fatal(wrote, err)
			}
			rest = rest[n:]
		}
		p.flush()
		if out.String() != want {
			t.Errorf("in pieces of %d: %q", size, out.String())
		}
	}
	l := NewLogbook(&bytes.Buffer{})
	for i := range 100 {
		l.Hide(iam.NewSecret(strings.Repeat("x", i+1)))
	}
	if len(l.secrets) != mostSecrets {
		t.Errorf("%d secrets are remembered", len(l.secrets))
	}
}

func FuzzResponse(f *testing.F) {
	for _, seed := range []string{`{"statusCode":200,"headers":{"a":"b"},"multiValueHeaders":{"A":["c"]},"body":"x"}`, `[]`, ``, `{"headers":{"\u0000":"\r\n"}}`, `{"body":"/wA=","isBase64Encoded":true}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := responseOf(text)
		if err != nil {
			return
		}
		header, err := r.header()
		if err != nil {
			return
		}
		for name, values := range header {
			if !isToken(name) || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("%q: %q", name, values)
			}
		}
	})
}
