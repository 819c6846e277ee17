package web

import (
	"net"
	"net/http"
	"net/url"

	"google.golang.org/protobuf/proto"

	"github.com/propusk/propusk/internal/gate"
	"github.com/propusk/propusk/internal/resource"
	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// visit is one request on its way.
type visit struct {
	door *Door
	w    http.ResponseWriter
	r    *http.Request

	language  string // of texts
	route     route
	secure    bool   // the browser came over TLS
	session   string // the session's cookie; "" without one
	requestID string // of the last call of the gate, or this door's own
	query     fields
	form      fields
	visitor   string // secret of the cookie that forms before sign-in are bound to

	authorizing *authorizing // what a program asks for, of its pages alone
	signingOut  *signingOut

	trouble error // what ends the visit; nil when a page has been shown
}

func (d *Door) newVisit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{door: d, w: w, r: r, secure: d.Encrypted || r.TLS != nil, requestID: resource.NewUUID()}
	v.language = languageOf(v.cookie(languageCookie), r.Header["Accept-Language"])
	v.session = v.cookie(sessionCookie)
	return v
}

// ask makes a call of the gate. The message and the answer are those of the
// method; an error is the gate's, for trouble or for the page to explain.
func ask[R proto.Message](v *visit, method string, m proto.Message) (answer R, err error) {
	return askOnce[R](v, method, m, "")
}

// askOnce is ask for a change that the gate makes once for a key, however often
// and at how many servers it is asked for; "" is no key. ALREADY_EXISTS tells that
// it was made before.
func askOnce[R proto.Message](v *visit, method string, m proto.Message, key string) (answer R, err error) {
	response, err := v.door.Gate.Call(v.r.Context(), &gate.Request{
		Method: method, Door: Name, UserAgent: v.r.UserAgent(), RemoteAddr: v.address(), IdempotencyKey: key,
		Decode: func(into proto.Message) error { proto.Merge(into, m); return nil },
	})
	v.requestID = response.RequestID
	if err != nil {
		return answer, err
	}
	return response.Message.(R), nil
}

// address is where the browser is, without a port.
func (v *visit) address() string {
	if host, _, err := net.SplitHostPort(v.r.RemoteAddr); err == nil {
		return host
	}
	return v.r.RemoteAddr
}

const maxUserAgent = 1024 // characters, of Client

// client is where the person sits, for the gate's methods.
func (v *visit) client() *propuskpb.Client {
	agent := []rune(validText(v.r.UserAgent()))
	return &propuskpb.Client{Address: v.address(), UserAgent: string(agent[:min(len(agent), maxUserAgent)])}
}

// signer is client for who signs in: with the session that his browser has.
func (v *visit) signer() *propuskpb.Client {
	c := v.client()
	c.FormerSession = v.session
	return c
}

// account reads whose session it is.
func (v *visit) account() (*propuskpb.Account, error) {
	return ask[*propuskpb.Account](v, propuskpb.AccountService_Get_FullMethodName, &propuskpb.GetAccountRequest{Session: v.session})
}

// goTo sends the browser to a page of this door: a path, and perhaps a query, of
// the door's own making or checked by returnPath.
func (v *visit) goTo(path string) {
	v.w.Header().Set("X-Request-Id", v.requestID)
	v.w.Header().Set("Location", path)
	v.w.WriteHeader(http.StatusSeeOther)
}

// signInFirst sends a person to sign in and come back.
func (v *visit) signInFirst(because string) {
	if r := v.route.stranger; r != nil && (v.authorizing != nil || v.signingOut != nil) {
		if err := r(v, because); err != nil {
			v.fail(err)
		}
		return
	}
	back := v.r.URL.Path
	if home := v.route.home; home != "" {
		back = home
	} else if v.r.URL.RawQuery != "" {
		back += "?" + v.r.URL.RawQuery
	}
	target := url.Values{}
	if back, ok := returnPath(back); ok && back != defaultReturn {
		target.Set("return", back)
	}
	if because != "" {
		target.Set("note", because)
	}
	v.goTo(withQuery("/login", target))
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
