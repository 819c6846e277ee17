package sts

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strconv"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// signedRequest is a request as its signer knew it. The order of headers of
// different names is lost in net/http and means nothing to a signature; that of
// one name's values is kept.
func signedRequest(r *http.Request, body []byte) *propuskpb.SignedRequest {
	sum := sha256.Sum256(body)
	m := &propuskpb.SignedRequest{
		Method: r.Method, Target: r.RequestURI, PayloadSha256: hex.EncodeToString(sum[:]),
		Headers: []*propuskpb.Header{{Name: "Host", Value: r.Host}},
	}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		values := r.Header[name]
		if name == "Host" && len(values) == 1 && values[0] == r.Host {
			continue // of HTTP/2 without ":authority": the one above
		}
		for _, value := range values {
			m.Headers = append(m.Headers, &propuskpb.Header{Name: name, Value: value})
		}
	}
	// Some signers cover the length, which net/http may keep to itself.
	if r.ContentLength >= 0 && r.Header.Get("Content-Length") == "" {
		m.Headers = append(m.Headers, &propuskpb.Header{Name: "Content-Length", Value: strconv.FormatInt(r.ContentLength, 10)})
	}
	return m
}
