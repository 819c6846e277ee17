package function

import (
	"encoding/json"
	"fmt"
)

// Failure is a call that came to nothing, as callers read it [API fact: errors in
// the code of a function].
type Failure struct {
	Status  int      `json:"-"` // of HTTP
	Own     bool     `json:"-"` // the function's own doing: X-Function-Error
	Message string   `json:"errorMessage,omitempty"`
	Type    string   `json:"errorType"`
	Stack   []string `json:"stackTrace,omitempty"`
	Payload string   `json:"payload,omitempty"`
}

func (f *Failure) Error() string { return f.Type + ": " + f.Message }

// JSON is the answer that tells of the failure.
func (f *Failure) JSON() []byte {
	text, err := json.Marshal(f)
	if err != nil { // text and lists of it always are JSON
		return []byte(`{"errorType":"InternalError"}`)
	}
	return text
}

// failureOf reads what a runtime tells of an error.
func failureOf(body []byte) *Failure {
	f := &Failure{}
	if err := json.Unmarshal(body, f); err != nil || f.Type == "" {
		f = &Failure{Type: "RuntimeError", Message: "the runtime tells of an error in a way that nobody reads"}
	}
	f.Status, f.Own = 502, true
	return f
}

func tooLarge(limit int) *Failure {
	return &Failure{Status: 502, Own: true, Type: "ResponseTooLarge", Message: fmt.Sprintf("the function's answer is larger than %d bytes", limit)}
}
