//go:build unix

package compat_test

import "testing"

// testSTS makes a static access key and has a client of AWS's security token
// service ask with it. The program itself checks what it gets.
func (s *suite) testSTS(t *testing.T, client string) {
	s.build(t, client)
	const keys = "/iam/aws-compatibility/v1/accessKeys"
	token := s.token(t)
	var key struct {
		AccessKey struct{ ID, KeyID string }
		Secret    string
	}
	s.rest(t, "POST", keys, token, map[string]string{"description": client}, &key)
	defer s.rest(t, "DELETE", keys+"/"+key.AccessKey.ID, token, nil, &struct{}{})
	out, err := s.execute(t, client, "./run", "", "STS_URL="+s.server.env["HTTP_URL"],
		"AWS_ENDPOINT_URL_STS="+s.server.env["AWS_ENDPOINT_URL_STS"], "AWS_DEFAULT_REGION="+s.server.env["AWS_DEFAULT_REGION"],
		"AWS_ACCESS_KEY_ID="+key.AccessKey.KeyID, "AWS_SECRET_ACCESS_KEY="+key.Secret)
	if err != nil {
		t.Fatalf("%s: %v\n%s", client, err, out.all())
	}
}
