package sessionpolicy

import (
	"strings"
	"unicode/utf8"
)

// action checks a pattern of actions and returns it in lower case. Those of
// other services are refused: a temporary key is good for object storage
// alone, so a rule about another one is a mistake of its author.
func action(at, text string) (string, error) {
	if text == "*" {
		return text, nil
	}
	folded := []byte(text)
	for i, c := range folded {
		folded[i] = lower(c)
	}
	name, ok := strings.CutPrefix(string(folded), ActionPrefix)
	if !ok || name == "" {
		return "", invalid(`%s has %q, "*" or an action that begins with %q is expected`, at, short(text), ActionPrefix)
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && c != '*' && c != '?' {
			return "", invalid("%s has %q: an action's name is of the letters A to Z and the signs * and ?", at, short(text))
		}
	}
	return pattern(string(folded)), nil
}

// resource checks a pattern of resources.
func resource(at, text string) (string, error) {
	switch {
	case text == "*":
		return text, nil
	case len(text) <= len(ResourcePrefix) || !strings.HasPrefix(text, ResourcePrefix):
		return "", invalid(`%s has %q, "*" or a resource that begins with %q is expected`, at, short(text), ResourcePrefix)
	case strings.Contains(text, "${"):
		return "", invalid("%s has %q: there are no variables here, and its text alone would mean something else", at, short(text))
	case strings.ContainsRune(text, utf8.RuneError):
		return "", invalid("%s has a character that is no character of Unicode", at)
	}
	return pattern(text), nil
}

// maxShown is how many characters of a text are repeated in an error.
const maxShown = 64

func short(text string) string {
	if utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return string([]rune(text)[:maxShown]) + "…"
}
