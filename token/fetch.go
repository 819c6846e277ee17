package token

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// fetchTimeout bounds a request, on top of the time it asked the server to wait.
const fetchTimeout = 10 * time.Second

// fetcher reads published documents from one server.
type fetcher struct {
	base   string
	client *http.Client
	close  func()
}

func newFetcher(base string, client *http.Client) *fetcher {
	f := &fetcher{base: strings.TrimRight(base, "/"), client: &http.Client{}, close: func() {}}
	if client != nil {
		*f.client = *client
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		own := t.Clone()
		f.client.Transport, f.close = own, own.CloseIdleConnections
	}
	f.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return f
}

// get returns a body of at most limit bytes.
func (f *fetcher) get(ctx context.Context, path string, query url.Values, limit int64, wait time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+fetchTimeout)
	defer cancel()
	address := f.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "propusk-verifier")
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("GET %s: the body is larger than %d bytes", path, limit)
	}
	return body, nil
}
