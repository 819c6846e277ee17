package server

import (
	"fmt"
	"strings"
)

// pair is one key of an entry that a flag gives as key=value words.
type pair struct {
	key  string
	into *string
}

// parsePairs reads an entry's words, each key at most once and never empty.
func parsePairs(text string, pairs ...pair) error {
	seen := map[string]bool{}
	for _, word := range strings.Fields(text) {
		key, value, ok := strings.Cut(word, "=")
		switch {
		case !ok || value == "":
			return fmt.Errorf("%q is not of the form key=value", word)
		case seen[key]:
			return fmt.Errorf("%s is given twice", key)
		}
		seen[key] = true
		known := false
		for _, p := range pairs {
			if p.key == key {
				*p.into, known = value, true
			}
		}
		if !known {
			return fmt.Errorf("%q is %s", key, noneOf(pairs))
		}
	}
	return nil
}

func noneOf(pairs []pair) string {
	var keys []string
	for _, p := range pairs {
		keys = append(keys, p.key)
	}
	last := len(keys) - 1
	if last == 1 {
		return "neither " + keys[0] + " nor " + keys[1]
	}
	return "none of " + strings.Join(keys[:last], ", ") + " and " + keys[last]
}
