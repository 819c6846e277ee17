package web

import (
	"net/url"
	"strings"
)

// Where a person goes on to who has signed in or chosen another language.

const (
	defaultReturn = "/account"
	maxReturn     = 2048 // bytes
	maxLongReturn = 12 << 10
)

// returnPath takes a path that somebody may have made up to lead a person astray.
// It is a page of this door, spelled exactly as the door spells it, and perhaps a
// query; anything else is refused: another host in any of the spellings that
// browsers forgive, an encoded path, a fragment. The answer is spelled anew.
func returnPath(text string) (path string, ok bool) {
	return ownPath(text, func(r route) bool { return r.returns })
}

func ownPath(text string, to func(route) bool) (path string, ok bool) {
	path, query, asks := strings.Cut(text, "?")
	page, known := routes()[path]
	if !known || !to(page) || len(text) > maxLongReturn || len(text) > maxReturn && !page.long {
		return "", false
	}
	if !asks {
		return path, true
	}
	if strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' || r == '\\' }) {
		return "", false
	}
	given, err := parseFields(query)
	if err != nil {
		return "", false
	}
	again := url.Values{}
	for name, value := range given {
		again.Set(name, value)
	}
	return withQuery(path, again), true
}

// goOn is where a form says that the person goes on to; the account when it says
// nothing, or what is no page of ours.
func goOn(text string) string {
	if path, ok := returnPath(text); ok {
		return path
	}
	return defaultReturn
}

// languageReturn is the page that a person has read in another language.
func languageReturn(text string) string {
	if path, ok := languagePath(text); ok {
		return path
	}
	return defaultReturn
}

func languagePath(text string) (path string, ok bool) {
	return ownPath(text, func(r route) bool { return r.get != nil })
}
