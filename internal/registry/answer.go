package registry

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// answer is a token as clients of both protocols read it: the older ones look
// for token, those of OAuth 2.0 for access_token.
type answer struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"` // seconds after issued_at
	IssuedAt    string `json:"issued_at"`
}

func answerOf(m *propuskpb.IssueRegistryTokenResponse) answer {
	issued := m.GetIssuedAt().AsTime()
	return answer{Token: m.GetToken(), AccessToken: m.GetToken(),
		ExpiresIn: int64(m.GetExpiresAt().AsTime().Sub(issued) / time.Second), IssuedAt: issued.UTC().Format(time.RFC3339)}
}

// reply sends one JSON object that is nobody else's.
func (v *visit) reply(status int, content any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(content); err != nil { // of these structs it never fails
		status = http.StatusInternalServerError
		body.Reset()
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	v.send(status, body.Bytes())
}

func (v *visit) send(status int, body []byte) {
	h := v.w.Header()
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Request-Id", v.requestID)
	v.w.WriteHeader(status)
	_, _ = v.w.Write(body) // a client that is gone cannot be told so
}
