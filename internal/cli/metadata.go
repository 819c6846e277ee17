package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/propusk/propusk/internal/cli/profile"
	"github.com/propusk/propusk/internal/iam"
)

const (
	metadataAddress = "169.254.169.254"
	envMetadata     = "YC_METADATA_ADDR" // [client fact: metadata clients]
	metadataPath    = "/computeMetadata/v1/instance/service-accounts/default/token"
	metadataDial    = time.Second
	metadataLimit   = 5 * time.Second
)

// fromMetadata asks the machine's own metadata address for a token. No proxy
// stands between, and no redirect is followed.
func (s *session) fromMetadata(ctx context.Context) (profile.Token, error) {
	address := s.env.variable(envMetadata)
	if address == "" {
		address = metadataAddress
	}
	ctx, cancel := context.WithTimeout(ctx, metadataLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+metadataPath, nil)
	if err != nil {
		return profile.Token{}, misuse("$%s: %q is no address", envMetadata, address)
	}
	r.Header.Set("Metadata-Flavor", "Google")
	client := &http.Client{
		Transport:     &http.Transport{DialContext: (&net.Dialer{Timeout: metadataDial}).DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if err != nil {
		return profile.Token{}, fmt.Errorf("get an IAM token from the metadata address: %w", err)
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return profile.Token{}, errors.New("the metadata address has no service account for this machine")
	case answer.StatusCode != http.StatusOK:
		return profile.Token{}, fmt.Errorf("the metadata address answers %s", printable(answer.Status))
	}
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&got); err != nil || got.AccessToken == "" {
		return profile.Token{}, errors.New("the metadata address answers with no token")
	}
	text, err := oneWord(got.AccessToken)
	if err != nil {
		return profile.Token{}, errors.New("the metadata address answers with no token")
	}
	now := s.env.Now()
	return profile.Token{Text: iam.NewSecret(text), IssuedAt: now, ExpiresAt: now.Add(seconds(got.ExpiresIn, longestLife))}, nil
}
