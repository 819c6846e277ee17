package sessionpolicy

import "unicode/utf8"

// matches tells whether a pattern is a whole text: * stands for any characters
// or none, "/" among them, and ? for one character. The pattern is folded
// already. It never tries more than one place for each * but the last, so it
// takes at most as many steps as the lengths' product: what comes after a *
// may as well begin where it first fits.
func matches(pattern, text string, fold func(byte) byte) bool {
	p, t := 0, 0
	star, from := -1, 0 // the last *, and the end of what it stands for
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			t += width(text[t:])
		case p < len(pattern) && pattern[p] == fold(text[t]):
			p++
			t++
		case star >= 0:
			from += width(text[from:])
			p, t = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// width is how many bytes the first character has.
func width(text string) int {
	if text[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(text)
	return n
}

// Ways to compare letters: those of actions are the same in either case, as
// AWS has it; those of resources are not.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func asIs(c byte) byte { return c }
