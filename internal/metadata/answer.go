package metadata

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
)

// The Content-Types of answers.
const (
	textType = "text/plain; charset=utf-8"
	jsonType = "application/json"
)

// answer is what goes out, made whole before a byte is written.
type answer struct {
	status  int
	outcome string // for metrics: one of a few words
	flavour string // "google", "ec2" or "" before it was known
	kind    string // Content-Type
	body    []byte
	headers [][2]string
	tag     string // ETag
}

// plain is an answer whose text is for people.
func plain(status int, outcome, text string) *answer {
	return &answer{status: status, outcome: outcome, kind: textType, body: []byte(text + "\n")}
}

func notFound() *answer { return plain(http.StatusNotFound, "not_found", "Not found") }

func text(body string) *answer {
	return &answer{status: http.StatusOK, outcome: "ok", kind: textType, body: []byte(body)}
}

// asJSON encodes what is always encodable.
func asJSON(v any) *answer {
	body, err := json.Marshal(v)
	if err != nil {
		panic("metadata: " + err.Error())
	}
	return &answer{status: http.StatusOK, outcome: "ok", kind: jsonType, body: body}
}

func (a *answer) header(name, value string) *answer {
	a.headers = append(a.headers, [2]string{name, value})
	return a
}

// tagged gives the answer an ETag of its content.
func (a *answer) tagged() *answer {
	sum := sha256.Sum256(append([]byte(a.kind+"\n"), a.body...))
	a.tag = hex.EncodeToString(sum[:8])
	return a
}

// of marks whose manner the answer is in.
func (a *answer) of(flavour string) *answer {
	a.flavour = flavour
	return a
}

// refusal tells whether the answer is about the request and not about what was
// asked for.
func (a *answer) refusal() bool {
	switch a.outcome {
	case "ok", "redirect", "not_found", "no_account", "unavailable", "internal":
		return false
	}
	return true
}

func (a *answer) write(w http.ResponseWriter) {
	h := w.Header()
	// An answer may be a credential: nothing between here and the program keeps it.
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Server", "Propusk metadata")
	h.Set("Content-Type", a.kind)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.tag != "" {
		// As Google's server spells it, without quotes: clients hand it back in
		// last_etag as it came.
		h.Set("ETag", a.tag)
	}
	for _, f := range a.headers {
		h.Set(f[0], f[1])
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
