package web

import (
	"net/http"
	"sync"
)

// route is one page. A page that is only ever an answer to a form has no get;
// a browser that comes to it again is sent to its home.
type route struct {
	get, post func(*visit) error
	home      string
	// Of a signed-in person alone: others are sent to sign in, and forms are bound
	// to the session.
	session bool
	// A person may be sent here after signing in.
	returns bool
	// Refuses what the page never does, before anybody is asked for a password.
	check func(*visit) error
	// Takes who is not signed in, or not any more, after check; by itself he is sent
	// to sign in.
	stranger func(v *visit, because string) error
	// Its address may be a program's request, which is long.
	long bool
}

// routes are the pages by their paths, exactly as they are written: an encoded
// or unclean path is no page.
var routes func() map[string]route

// The table leads to the pages, and pages look into it where a person may go on
// to: only an init breaks that circle.
func init() { routes = sync.OnceValue(newRoutes) }

func newRoutes() map[string]route {
	return map[string]route{
		"/login":                         {get: (*visit).showSignIn, post: (*visit).signIn},
		"/login/code":                    {get: (*visit).showSecondFactor, post: (*visit).finishSignIn},
		"/login/passkey":                 {post: (*visit).finishPasskey, home: "/login"},
		"/login/code/passkey":            {post: (*visit).finishPasskeyFactor, home: "/login/code"},
		"/logout":                        {get: (*visit).showSignOut, post: (*visit).signOut, session: true},
		"/reset":                         {get: (*visit).showReset, post: (*visit).reset},
		"/join":                          {get: (*visit).showJoin, post: (*visit).join},
		"/sign-up":                       {get: (*visit).showSignUp, post: (*visit).signUp},
		"/forgot":                        {get: (*visit).showForgot, post: (*visit).forgot},
		elsewherePath:                    {post: (*visit).goElsewhere, home: "/login"},
		connectionsPath:                  {get: (*visit).showConnections, post: (*visit).connect, session: true, returns: true},
		connectionsPath + "/remove":      {get: (*visit).showDisconnect, post: (*visit).disconnect, session: true},
		"/language":                      {post: (*visit).chooseLanguage, home: "/account"},
		"/authorize":                     {get: (*visit).showConsent, post: (*visit).allow, session: true, returns: true, check: (*visit).checkConsent},
		authorizationPath:                {get: (*visit).showAuthorization, post: (*visit).answerAuthorization, session: true, returns: true, long: true, check: (*visit).checkAuthorization, stranger: (*visit).strangerAuthorizes},
		endSessionPath:                   {get: (*visit).showProgramSignOut, post: (*visit).programSignOut, session: true, long: true, check: (*visit).checkSignOut, stranger: (*visit).signedOut},
		"/device":                        {get: (*visit).showDevice, post: (*visit).answerDevice, session: true, returns: true},
		"/account":                       {get: (*visit).showAccount, session: true, returns: true},
		"/account/sessions":              {get: (*visit).showSessions, session: true, returns: true},
		"/account/sessions/end":          {post: (*visit).endSession, home: "/account/sessions", session: true},
		"/account/sessions/end-others":   {post: (*visit).endOtherSessions, home: "/account/sessions", session: true},
		"/account/tokens":                {get: (*visit).showTokens, session: true, returns: true},
		"/account/tokens/end":            {get: (*visit).showEndToken, post: (*visit).endToken, session: true},
		"/account/programs":              {get: (*visit).showPrograms, session: true, returns: true},
		"/account/programs/remove":       {get: (*visit).showRemoveProgram, post: (*visit).removeProgram, session: true},
		"/account/password":              {get: (*visit).showPassword, post: (*visit).changePassword, session: true, returns: true},
		"/account/second-factor":         {get: (*visit).showFactors, post: (*visit).beginApp, session: true, returns: true},
		"/account/passkeys/add":          {get: (*visit).showAddPasskey, post: (*visit).addPasskey, session: true},
		"/account/passkeys/create":       {post: (*visit).createPasskey, home: factorsPath, session: true},
		"/account/passkeys/rename":       {get: (*visit).showRenamePasskey, post: (*visit).renamePasskey, session: true},
		"/account/passkeys/remove":       {get: (*visit).showRemovePasskey, post: (*visit).removePasskey, session: true},
		codesPath:                        {get: (*visit).showRenewCodes, post: (*visit).renewCodes, session: true},
		"/account/second-factor/confirm": {post: (*visit).confirmApp, home: "/account/second-factor", session: true},
		"/account/second-factor/remove":  {get: (*visit).showRemoveApp, post: (*visit).removeApp, session: true},
	}
}

func (v *visit) get(r route) {
	v.route = r
	if r.get == nil {
		v.goTo(r.home)
		return
	}
	if v.readQuery(); v.trouble == nil && r.check != nil {
		v.trouble = r.check(v)
	}
	switch {
	case v.trouble != nil:
	case r.session && v.session == "":
		v.signInFirst("")
		return
	default:
		v.trouble = r.get(v)
	}
	v.finish()
}

func (v *visit) post(r route) {
	v.route = r
	if r.post == nil {
		v.w.Header().Set("Allow", "GET, HEAD")
		v.fail(refused(http.StatusMethodNotAllowed, "error.method"))
		return
	}
	v.readQuery()
	v.readForm()
	if v.trouble == nil && r.check != nil {
		v.trouble = r.check(v)
	}
	switch {
	case v.trouble != nil:
	case r.session && v.session == "":
		v.signInFirst("ended")
		return
	default:
		if v.trouble = v.checkForgery(r.session); v.trouble == nil {
			v.trouble = r.post(v)
		}
	}
	v.finish()
}
