package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// mostBytes of one answer are read.
	mostBytes = 256 << 10
	// longestAnswer is how long one request may take.
	longestAnswer = 8 * time.Second
)

// fetcher asks providers. It follows no redirect: an answer is the provider's own
// or none.
type fetcher struct{ client *http.Client }

func newFetcher(t http.RoundTripper) *fetcher {
	if t == nil {
		t = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second,
			ResponseHeaderTimeout: longestAnswer, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns: 4, MaxConnsPerHost: mostAtOnce, IdleConnTimeout: 30 * time.Second,
		}
	}
	return &fetcher{client: &http.Client{
		Transport: t, Timeout: longestAnswer,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// members are those of a JSON object, by their names exactly: encoding/json would
// take "EMAIL" for "email".
type members map[string]json.RawMessage

// get reads a JSON object; bearer is the access token to show, or "".
func (f *fetcher) get(ctx context.Context, address, bearer string) (members, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address cannot be asked")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	status, m, err := f.ask(r)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return m, err
}

// post sends a form and reads the JSON object that answers it, whatever the status.
func (f *fetcher) post(ctx context.Context, address string, form url.Values, change func(*http.Request)) (status int, m members, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, errors.New("the address cannot be asked")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	change(r)
	return f.ask(r)
}

func (f *fetcher) ask(r *http.Request) (int, members, error) {
	r.Header.Set("Accept", "application/json")
	res, err := f.client.Do(r)
	if err != nil {
		return 0, nil, withoutAddress(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostBytes+1))
	switch {
	case err != nil:
		return res.StatusCode, nil, fmt.Errorf("status %d: %w", res.StatusCode, err)
	case len(body) > mostBytes:
		return res.StatusCode, nil, fmt.Errorf("status %d: more than %d bytes", res.StatusCode, mostBytes)
	}
	m, err := objectOf(body)
	if err != nil {
		return res.StatusCode, nil, fmt.Errorf("status %d: %w", res.StatusCode, err)
	}
	return res.StatusCode, m, nil
}

// withoutAddress takes the address out of an error of net/http: it may hold what
// the provider has put there.
func withoutAddress(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// objectOf reads a JSON object.
func objectOf(text []byte) (members, error) {
	var m members
	if err := json.Unmarshal(text, &m); err != nil || m == nil {
		return nil, errors.New("not a JSON object") // not the text: it may hold tokens
	}
	return m, nil
}

// text is a member that is a string; "" when it is missing or something else.
func (m members) text(name string) string {
	var s string
	if json.Unmarshal(m[name], &s) != nil {
		return ""
	}
	return s
}

// id is a member that is a string or a whole number, as which some providers spell
// their accounts.
func (m members) id(name string) string {
	if s := m.text(name); s != "" {
		return s
	}
	raw := string(m[name])
	if raw == "" || raw == "0" || len(raw) > 20 || strings.Trim(raw, "0123456789") != "" {
		return ""
	}
	return raw
}

// texts is a member that is a list of strings, or one string; nil otherwise.
func (m members) texts(name string) []string {
	if s := m.text(name); s != "" {
		return []string{s}
	}
	var list []string
	if json.Unmarshal(m[name], &list) != nil {
		return nil
	}
	return list
}

// yes tells whether a member is true, or the text "true" as with some providers.
func (m members) yes(name string) bool {
	raw := string(m[name])
	return raw == "true" || raw == `"true"`
}

// time is a member in seconds since 1970 (RFC 7519 section 2); false when it is
// missing or no such number.
func (m members) time(name string) (time.Time, bool) {
	var n float64
	if m[name] == nil || json.Unmarshal(m[name], &n) != nil || !(n > 0 && n < 1<<40) || string(m[name]) == "null" {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0), true
}

// has tells whether a member is there and not null.
func (m members) has(name string) bool { return m[name] != nil && string(m[name]) != "null" }
