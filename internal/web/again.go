package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// A program may ask that a person prove himself again. When that was asked of him
// is kept in his browser, in a cookie of the request's own: it is no use to any
// other request, and nobody makes one who does not have the door's key.

const (
	againLife = 15 * time.Minute
	onceLife  = time.Hour
)

// requestMark tells the request of a program from others in names of cookies.
func (v *visit) requestMark() string {
	sum := sha256.Sum256([]byte(v.authorizing.address))
	return hex.EncodeToString(sum[:8])
}

func (v *visit) againName() string   { return againCookie + "_" + v.requestMark() }
func (v *visit) programOnce() string { return onceCookie + "_" + v.requestMark() }

// beginAgain notes that a person was asked to sign in for a request that may
// want it to be now.
func (v *visit) beginAgain() {
	if r := v.authorizing.request; r.GetPrompt() == "" && r.GetMaxAge() == "" {
		return
	}
	now := v.door.Now()
	at := strconv.FormatInt(now.UnixMicro(), 10)
	v.setCookie(v.againName(), at+"."+v.againProof(at), now.Add(againLife))
}

func (v *visit) againProof(at string) string {
	return v.door.proofFor("signed in again", at+" "+v.authorizing.address)
}

// againSince is when the person was asked to sign in for this request; the zero
// time when he was not, or so long ago that he may have left since.
func (v *visit) againSince() time.Time {
	at, proof, _ := strings.Cut(v.cookie(v.againName()), ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !hmac.Equal([]byte(proof), []byte(v.againProof(at))) {
		return time.Time{}
	}
	since := time.UnixMicro(micros)
	if age := v.door.Now().Sub(since); age < 0 || age > againLife {
		return time.Time{}
	}
	return since
}
