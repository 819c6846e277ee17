package sts

import (
	"crypto/rand"
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

// newRequestID makes a random UUID (RFC 9562, version 4) for an answer that the
// gate has no part in.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
