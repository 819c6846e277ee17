package web

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	propuskpb "github.com/propusk/propusk/proto/propusk/v1"
)

// page is what a template is shown.
type page struct {
	Name    string // of the template
	Title   string // key of its title
	Account *propuskpb.Account
	Note    string // key of a word about what has just happened
	Wrong   *mistakes
	Again   fields // what was typed, to be shown again; never a secret
	Data    any

	v       *visit
	focused bool // a field has asked for the cursor
}

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the templates by their names, read when the first is asked for.
var pages = sync.OnceValue(func() map[string]*template.Template {
	files, err := fs.ReadDir(templateFiles, "templates")
	if err != nil {
		panic("web: templates: " + err.Error()) // the files are part of the program
	}
	out := map[string]*template.Template{}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name == "layout" || strings.HasPrefix(name, "parts") {
			continue
		}
		out[name] = template.Must(template.ParseFS(templateFiles, "templates/layout.html", "templates/parts*.html", "templates/"+f.Name()))
	}
	return out
})

// show answers with a page. Nothing is sent before the whole page is made.
func (v *visit) show(status int, p *page) error {
	p.v = v
	if p.Wrong != nil {
		status = p.Wrong.status
	}
	if p.Note == "" {
		p.Note = v.note()
	}
	var body bytes.Buffer
	if err := pages()[p.Name].ExecuteTemplate(&body, "layout", p); err != nil {
		panic(err) // and so the log says where
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.language)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("X-Request-Id", v.requestID)
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		_, _ = body.WriteTo(v.w) // a browser that is gone cannot be told so
	}
	return nil
}

// note is the word about what has just happened that the address asks for: one
// of those there are, or none.
func (v *visit) note() string {
	key := "note." + v.query["note"]
	if texts()[fallback][key] == "" {
		return ""
	}
	return key
}

// T is a text in the page's language.
func (p *page) T(key string, pairs ...string) string { return p.v.text(key, pairs...) }

// Lang is the page's language.
func (p *page) Lang() string { return p.v.language }

// Languages are all there are.
func (p *page) Languages() []languageName { return languages }

// Proof is the proof of the page's own forms, VisitorProof that of forms that
// need no session.
func (p *page) Proof() string { return p.v.proof(p.v.route.session) }

// VisitorProof is the proof of the form that chooses a language.
func (p *page) VisitorProof() string { return p.v.proof(false) }

// RequestID leads to what the server has noted about this request.
func (p *page) RequestID() string { return p.v.requestID }

// Here is the page's path, of a page that is an answer to a form that of its home.
func (p *page) Here() string {
	if h := p.v.route.home; h != "" {
		return h
	}
	return p.v.r.URL.Path
}

// Place is where the page is shown again in another language. The answer to a form
// keeps what the form had of the address.
func (p *page) Place() string {
	if p.v.form != nil {
		again := url.Values{}
		if back := p.v.form["return"]; goOn(back) != defaultReturn {
			again.Set("return", back)
		}
		if token := p.v.form["reset_token"]; token != "" {
			again.Set("token", token)
		}
		if invitation := p.v.form["invitation"]; invitation != "" {
			again.Set("invitation", invitation)
		}
		if _, recovery := p.v.form["recovery_code"]; recovery {
			again.Set("with", "recovery")
		}
		return withQuery(p.Here(), again)
	}
	if q := p.v.r.URL.RawQuery; q != "" && p.v.route.home == "" {
		return p.v.r.URL.Path + "?" + q
	}
	return p.Here()
}

// Asset is the path of a file of the pages.
func (p *page) Asset(name string) string { return assetPath(name) }

// Typed is what was typed into a field, to be shown again.
func (p *page) Typed(field string) string { return p.Again[field] }

// FieldMistake is what is wrong with a field; nil when nothing is.
func (p *page) FieldMistake(field string) *mistake {
	if p.Wrong == nil {
		return nil
	}
	if m, ok := p.Wrong.Fields[field]; ok {
		return &m
	}
	return nil
}

// Say is the text of a mistake that has a key.
func (p *page) Say(m *mistake) string { return p.T(m.Key, "wait", p.WaitText(m.Wait)) }

// WaitText says how long to wait.
func (p *page) WaitText(d time.Duration) string {
	if d <= 0 {
		return p.T("wait.later")
	}
	return p.T("wait.for", "period", p.v.period(d))
}

// Time is an element with a time, to the minute.
func (p *page) Time(t *timestamppb.Timestamp) template.HTML { return p.timeElement(t, p.v.moment) }

// Day is an element with a date.
func (p *page) Day(t *timestamppb.Timestamp) template.HTML { return p.timeElement(t, p.v.day) }

func (p *page) timeElement(t *timestamppb.Timestamp, spell func(time.Time) string) template.HTML {
	at := t.AsTime()
	return template.HTML(`<time datetime="` + at.UTC().Format(time.RFC3339) + `">` + template.HTMLEscapeString(spell(at)) + `</time>`)
}

// Device names the browser and system that a session began with.
func (p *page) Device(userAgent string) string {
	browser, system := device(userAgent)
	switch {
	case browser != "" && system != "":
		return p.T("device.both", "browser", browser, "system", system)
	case browser != "":
		return browser
	case system != "":
		return p.T("device.system", "system", system)
	}
	return p.T("device.unknown")
}

// ShownOnce tells of pages that hold what is never shown again: to read them in
// another language would be to lose it.
func (p *page) ShownOnce() bool { return p.Name == "token" || p.Name == "codes" || p.Name == "leave" }

// Wide tells of pages with the account's menu beside them.
func (p *page) Wide() bool { return p.Account != nil && strings.HasPrefix(p.Here(), "/account") }

// Menu is the account's menu.
func (p *page) Menu() []menuItem {
	out := []menuItem{
		{"/account", "menu.account", false}, {"/account/password", "menu.password", false},
		{"/account/second-factor", "menu.second_factor", false},
		{"/account/sessions", "menu.sessions", false}, {"/account/programs", "menu.programs", false},
		{"/account/tokens", "menu.tokens", false},
	}
	if len(p.v.door.Providers) > 0 {
		out = append(out, menuItem{connectionsPath, "menu.connections", false})
	}
	best := 0
	for i := range out {
		if strings.HasPrefix(p.Here(), out[i].Path) {
			best = i
		}
	}
	out[best].Current = true
	return out
}

type menuItem struct {
	Path, Key string
	Current   bool
}

// DisplayName is what the person is called: by name, or by login without one.
func (p *page) DisplayName() string {
	if n := p.Account.GetName(); strings.TrimSpace(n) != "" {
		return n
	}
	return p.Account.GetLogin()
}
