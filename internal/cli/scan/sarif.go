package scan

import (
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/propusk/propusk/internal/leak"
)

// sarifReport is one document of SARIF 2.1.0 (OASIS, 27 March 2020), with one
// run. Results come as they are found; results without the place of a credential's
// end, because a region that code hosts quote would hold it.
type sarifReport struct {
	w     io.Writer
	begun bool
}

type (
	sarifText struct {
		Text string `json:"text"`
	}
	sarifRule struct {
		ID               string            `json:"id"`
		ShortDescription sarifText         `json:"shortDescription"`
		Help             sarifText         `json:"help"`
		Properties       map[string]string `json:"properties"`
	}
	sarifTool struct {
		Driver struct {
			Name           string      `json:"name"`
			InformationURI string      `json:"informationUri"`
			Rules          []sarifRule `json:"rules"`
		} `json:"driver"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           sarifRegion   `json:"region"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPhysical `json:"physicalLocation"`
	}
	sarifResult struct {
		RuleID              string            `json:"ruleId"`
		Level               string            `json:"level"`
		Message             sarifText         `json:"message"`
		Locations           []sarifLocation   `json:"locations"`
		PartialFingerprints map[string]string `json:"partialFingerprints"`
		Properties          map[string]string `json:"properties,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifInvocation struct {
		ExecutionSuccessful        bool                `json:"executionSuccessful"`
		ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
)

// whatIs says in words what a kind is.
var whatIs = map[leak.Kind]string{
	leak.IAMToken: "An IAM token", leak.IAMCookie: "An IAM session cookie", leak.RefreshToken: "A refresh token",
	leak.SessionToken: "A session token of temporary access keys", leak.APIKey: "An API key",
	leak.AccessSecret: "A secret of a static access key", leak.AuthorizedKey: "The private half of an authorized key",
	leak.OAuthToken: "An OAuth token", leak.OAuthClientSecret: "A secret of an OAuth client", leak.CaptchaKey: "A SmartCaptcha server key",
}

const sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"

func (r *sarifReport) begin() error {
	if r.begun {
		return nil
	}
	r.begun = true
	var tool sarifTool
	tool.Driver.Name = "propusk scan"
	tool.Driver.InformationURI = "https://github.com/propusk/propusk"
	for _, k := range leak.Kinds() {
		if k.Sought() {
			tool.Driver.Rules = append(tool.Driver.Rules, sarifRule{string(k), sarifText{whatIs[k] + " where it does not belong"},
				sarifText{"Make a new one, use it, and end this one: whoever has read it can use it. `propusk scan --revoke` ends those that work."},
				map[string]string{"security-severity": "9.0"}})
		}
	}
	return writeJSON(r.w, "{\n  \"$schema\": \""+sarifSchema+"\",\n  \"version\": \"2.1.0\",\n  \"runs\": [{\n    \"columnKind\": \"unicodeCodePoints\",\n    \"tool\": ",
		tool, ",\n    \"results\": [")
}

func (r *sarifReport) Finding(e *Finding) error {
	first := !r.begun
	if err := r.begin(); err != nil {
		return err
	}
	before := ",\n      "
	if first {
		before = "\n      "
	}
	return writeJSON(r.w, before, sarifResultOf(e), "")
}

func sarifResultOf(e *Finding) *sarifResult {
	result := &sarifResult{
		RuleID: string(e.Kind), Level: "error", Message: sarifText{whatIs[e.Kind] + ": " + e.Masked},
		Locations: []sarifLocation{{sarifPhysical{sarifArtifact{fileURI(e.Path)}, sarifRegion{e.Line, e.Column}}}},
		// The same credential has the same one wherever it moves, and in the code
		// host's list is one alert a file.
		PartialFingerprints: map[string]string{"propuskCredential/v1": e.Fingerprint},
		Properties:          map[string]string{},
	}
	if e.State != "" {
		result.Message.Text += " (" + strings.ToLower(e.State) + ")"
	}
	if e.State == "DEAD" || e.Revoked {
		result.Level = "note"
	}
	for name, value := range map[string]string{"commit": e.Commit, "state": e.State, "subjectId": e.SubjectID, "credentialId": e.CredentialID} {
		if value != "" {
			result.Properties[name] = value
		}
	}
	if e.Revoked {
		result.Properties["revoked"] = "true"
	}
	return result
}

// fileURI is a path as a relative URI reference, or a file URI (RFC 8089).
func fileURI(path string) string {
	path = filepath.ToSlash(path)
	if filepath.IsAbs(path) {
		return (&url.URL{Scheme: "file", Path: "/" + strings.TrimPrefix(path, "/")}).String()
	}
	if path == "-" {
		path = "stdin"
	}
	return (&url.URL{Path: path}).String()
}

func (r *sarifReport) End(_ Totals, problems []Problem) error {
	before := "\n    ]"
	if !r.begun {
		before = "]"
	}
	if err := r.begin(); err != nil {
		return err
	}
	done := sarifInvocation{ExecutionSuccessful: len(problems) == 0}
	for _, p := range problems {
		done.ToolExecutionNotifications = append(done.ToolExecutionNotifications, sarifNotification{"error", sarifText{p.Error}})
	}
	return writeJSON(r.w, before+",\n    \"invocations\": [", done, "]\n  }]\n}\n")
}
