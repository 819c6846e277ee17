package sts

import (
	"encoding/xml"
	"net/http"
	"strconv"

	"github.com/propusk/propusk/internal/gate"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// The answers, as AWS describes them; elements in the order of its samples.

type assumeRoleResponse struct {
	XMLName xml.Name         `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
	Result  assumeRoleResult `xml:"AssumeRoleResult"`
	Request requestID        `xml:"ResponseMetadata"`
}

type assumeRoleResult struct {
	SourceIdentity   string          // always empty [API fact: AssumeRole]
	AssumedRoleUser  assumedRoleUser //
	Credentials      credentials     //
	PackedPolicySize int             // always 0 [API fact: AssumeRole]
}

type assumedRoleUser struct {
	Arn           string
	AssumedRoleID string `xml:"AssumedRoleId"`
}

type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type getCallerIdentityResponse struct {
	XMLName xml.Name                `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Result  getCallerIdentityResult `xml:"GetCallerIdentityResult"`
	Request requestID               `xml:"ResponseMetadata"`
}

type getCallerIdentityResult struct {
	Arn     string
	UserID  string `xml:"UserId"`
	Account string
}

type requestID struct {
	ID string `xml:"RequestId"`
}

func answerAssumeRole(given parameters, response *gate.Response) any {
	m := response.Message.(*propuskpb.AssumeRoleResponse)
	session := given["RoleSessionName"]
	return &assumeRoleResponse{
		Result: assumeRoleResult{
			// [API fact: the text that was given as the role's, and the session's name]
			AssumedRoleUser: assumedRoleUser{Arn: given["RoleArn"] + "/" + session, AssumedRoleID: m.GetServiceAccountId() + ":" + session},
			Credentials: credentials{
				AccessKeyID: m.GetAccessKeyId(), SecretAccessKey: m.GetSecretAccessKey(), SessionToken: m.GetSessionToken(),
				Expiration: m.GetExpiresAt().AsTime().UTC().Format("2006-01-02T15:04:05Z"),
			},
		},
		Request: requestID{response.RequestID},
	}
}

// answerGetCallerIdentity says in AWS's words who it is. The account, which owns
// things there, is the folder; the names are of AWS's form, because its tools
// take them apart.
func answerGetCallerIdentity(_ parameters, response *gate.Response) any {
	m := response.Message.(*propuskpb.GetCallerIdentityResponse)
	out := getCallerIdentityResult{
		Arn:    "arn:aws:iam::" + m.GetContainerId() + ":user/" + m.GetSubjectId(),
		UserID: m.GetSubjectId(), Account: m.GetContainerId(),
	}
	if name := m.GetSessionName(); name != "" {
		out.Arn = "arn:aws:sts::" + m.GetContainerId() + ":assumed-role/" + m.GetSubjectId() + "/" + name
		out.UserID += ":" + name
	}
	return &getCallerIdentityResponse{Result: out, Request: requestID{response.RequestID}}
}

// reply sends one document with the headers that every answer carries.
func reply(w http.ResponseWriter, code int, document any, requestID string) {
	body, err := xml.Marshal(document) // replaces what XML cannot hold
	if err != nil {
		code, body = http.StatusInternalServerError, nil // of these structs it never fails
	}
	h := w.Header()
	h.Set("Content-Type", "text/xml; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h["x-amzn-RequestId"] = []string{requestID} // as AWS spells it; HTTP does not care
	h.Set("X-Request-Id", requestID)
	w.WriteHeader(code)
	_, _ = w.Write(body) // a client that is gone cannot be told so
}
