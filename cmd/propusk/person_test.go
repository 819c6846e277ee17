package main

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*>`)
	inputTag = regexp.MustCompile(`<input[^>]*>`)
	denyLink = regexp.MustCompile(`<a class="button" href="([^"]*)"`)
)

func attribute(tag, name string) string {
	m := regexp.MustCompile(name + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// person is a program of scripts that opens a link as a browser would, signs in
// as $LOGIN with $PASSWORD and answers $ANSWER to what is asked: allow or deny.
// What it is told at the end is in the file $SEEN, if that is set.
func person() {
	text, err := (&visitor{login: os.Getenv("LOGIN"), password: os.Getenv("PASSWORD"), allow: os.Getenv("ANSWER") == "allow"}).visit(os.Args[len(os.Args)-1])
	if err == nil && os.Getenv("SEEN") != "" {
		err = os.WriteFile(os.Getenv("SEEN"), []byte(text), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "person:", err)
		os.Exit(1)
	}
}

// visitor is a person with a browser.
type visitor struct {
	login, password string
	allow           bool

	client *http.Client
	at     *url.URL
}

const mostPages = 10

// visit goes from page to page until there is nothing more to answer, and
// returns the last one.
func (v *visitor) visit(link string) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	v.client = &http.Client{Jar: jar, Timeout: 30 * time.Second}
	res, err := v.client.Get(link)
	for range mostPages {
		if err != nil {
			return "", err
		}
		text, rerr := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if rerr != nil {
			return "", rerr
		}
		v.at = res.Request.URL
		if _, next, ok := strings.Cut(res.Header.Get("Refresh"), ";url="); ok {
			res, err = v.client.Get(next)
			continue
		}
		if res, err = v.answer(string(text)); res == nil {
			return string(text), err
		}
	}
	return "", fmt.Errorf("there is no end of pages: %s", v.at.Path)
}

// answer fills in the page's form and sends it; nothing when there is none.
func (v *visitor) answer(page string) (*http.Response, error) {
	tag, form := "", ""
	for _, part := range strings.SplitAfter(page, "</form>") {
		if tag = formTag.FindString(part); strings.Contains(tag, `method="post"`) && !strings.Contains(tag, "/logout") && !strings.Contains(tag, "/language") {
			form = part[strings.Index(part, tag):]
			break
		}
	}
	if form == "" {
		return nil, nil
	}
	fields := url.Values{}
	for _, input := range inputTag.FindAllString(form, -1) {
		fields.Set(attribute(input, "name"), attribute(input, "value"))
	}
	switch {
	case fields.Has("password"):
		fields.Set("login", v.login)
		fields.Set("password", v.password)
	case strings.Contains(form, `name="answer"`) && v.allow:
		fields.Set("answer", "allow")
	case strings.Contains(form, `value="deny"`):
		fields.Set("answer", "deny")
	case strings.Contains(form, `name="answer"`): // saying no is a link
		if m := denyLink.FindStringSubmatch(form); m != nil {
			return v.client.Get(html.UnescapeString(m[1]))
		}
	}
	to, err := v.at.Parse(attribute(tag, "action"))
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", v.at.Scheme+"://"+v.at.Host)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.client.Do(r)
}
