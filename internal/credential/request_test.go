package credential_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/credential"
)

// headerLines reads headers one a line; a line that begins with a space goes on
// with the one before.
func headerLines(text string) []credential.HeaderField {
	var fields []credential.HeaderField
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, " ") {
			fields[len(fields)-1].Value += "\r\n" + line
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		fields = append(fields, credential.HeaderField{Name: name, Value: value})
	}
	return fields
}

func hashOf(body string) string {
	digest := sha256.Sum256([]byte(body))
	return hex.EncodeToString(digest[:])
}

var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func (c *suiteCase) request() *credential.HTTPRequest {
	return &credential.HTTPRequest{Method: c.method, Target: c.target, PayloadSHA256: hashOf(c.body),
		Header: append(headerLines(c.headers), credential.HeaderField{Name: "Authorization", Value: "AWS4-HMAC-SHA256 " +
			"Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=" + c.signed + ", Signature=" + c.signature})}
}

// proveRequest reads a request and proves its signature, a session token aside.
func (w *accessWorld) proveRequest(now time.Time, r *credential.HTTPRequest) error {
	s, err := credential.ReadRequest(r, now)
	if err != nil {
		return err
	}
	s.SessionToken = ""
	return errorOf(w.prove(now, s))
}

func TestPublishedSuite(t *testing.T) {
	for _, c := range suite {
		err := newAccessWorld().proveRequest(suiteTime, c.request())
		if c.name == "post-sts-token/post-sts-header-after" { // the token is not signed
			refusedSignature(t, c.name, err, "signature_headers", "")
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
