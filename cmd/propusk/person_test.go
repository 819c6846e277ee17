package main

import (
	"errors"
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
func person() {
	if err := visit(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, "person:", err)
		os.Exit(1)
	}
}

func visit(link string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	res, err := client.Get(link)
	for range 6 {
		if err != nil {
			return err
		}
		text, rerr := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if rerr != nil {
			return rerr
		}
		body := string(text)
		if res.Request.URL.Path == "/auth/callback" || strings.Contains(body, "The device is let in") {
			return nil
		}
		answer := url.Values{}
		at := res.Request.URL
		for _, form := range strings.SplitAfter(body, "</form>") {
			tag := formTag.FindString(form)
			for _, input := range inputTag.FindAllString(form, -1) {
				answer.Set(attribute(input, "name"), attribute(input, "value"))
			}
			if !strings.Contains(tag, "post") {
				answer = url.Values{}
				continue
			}
			if action := attribute(tag, "action"); action != "" {
				if at, err = at.Parse(action); err != nil {
					return err
				}
			}
			break
		}
		switch {
		case answer.Has("password"):
			answer.Set("login", os.Getenv("LOGIN"))
			answer.Set("password", os.Getenv("PASSWORD"))
		case strings.Contains(body, `name="answer"`):
			answer.Set("answer", os.Getenv("ANSWER"))
		}
		answer.Del("")
		r, err := http.NewRequest(http.MethodPost, at.String(), strings.NewReader(answer.Encode()))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", at.Scheme+"://"+at.Host)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if res, err = client.Do(r); err != nil {
			return err
		}
	}
	return errors.New("there is no end of pages: " + res.Request.URL.Path)
}
