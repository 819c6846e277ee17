package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// awsKey is an access key: a static one, or a temporary one with its token.
type awsKey struct{ ID, Secret, Token string }

const (
	whoAmI = "Action=GetCallerIdentity&Version=2011-06-15"
	assume = "Action=AssumeRole&Version=2011-06-15&RoleArn=any-text-of-twenty-characters&RoleSessionName=night"
)

// sts posts a signed form to the STS door and returns the answer's text.
func (k awsKey) sts(p *process, form string) (string, error) {
	r, err := http.NewRequest("POST", "http://"+p.http+"/sts", strings.NewReader(form))
	if err != nil {
		return "", err
	}
	at := time.Now().UTC().Format("20060102T150405Z")
	scope := at[:8] + "/ru-central1/sts/aws4_request"
	headers := [][2]string{{"content-type", "application/x-www-form-urlencoded"}, {"host", p.http}, {"x-amz-date", at}}
	if k.Token != "" {
		headers = append(headers, [2]string{"x-amz-security-token", k.Token})
	}
	var lines, names []string
	for _, h := range headers {
		lines, names = append(lines, h[0]+":"+h[1]+"\n"), append(names, h[0])
		r.Header.Set(h[0], h[1])
	}
	signed := strings.Join(names, ";")
	canonical := strings.Join([]string{"POST", "/sts", "", strings.Join(lines, ""), signed, hash(form)}, "\n")
	text := "AWS4-HMAC-SHA256\n" + at + "\n" + scope + "\n" + hash(canonical)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+k.ID+"/"+scope+", SignedHeaders="+signed+", Signature="+k.sign(scope, text))
	response, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", response.StatusCode, body)
	}
	return string(body), err
}

// sign signs a string to sign by version 4.
func (k awsKey) sign(scope, text string) string {
	mac := []byte("AWS4" + k.Secret)
	for _, part := range append(strings.Split(scope, "/"), text) {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(part))
		mac = h.Sum(nil)
	}
	return hex.EncodeToString(mac)
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// assume makes a temporary key of a static one.
func (k awsKey) assume(p *process) (awsKey, error) {
	text, err := k.sts(p, assume)
	if err != nil {
		return awsKey{}, err
	}
	var answer struct {
		Made struct{ AccessKeyId, SecretAccessKey, SessionToken string } `xml:"AssumeRoleResult>Credentials"`
	}
	err = xml.Unmarshal([]byte(text), &answer)
	return awsKey{answer.Made.AccessKeyId, answer.Made.SecretAccessKey, answer.Made.SessionToken}, err
}

// accessKey makes a static key of an account.
func (p *process) accessKey(token, account string) (id string, k awsKey, err error) {
	var made struct {
		AccessKey struct{ ID, KeyID string }
		Secret    string
	}
	err = told(&made, "POST", "http://"+p.http+"/iam/aws-compatibility/v1/accessKeys", token, `{"serviceAccountId":"`+account+`"}`)
	return made.AccessKey.ID, awsKey{ID: made.AccessKey.KeyID, Secret: made.Secret}, err
}
