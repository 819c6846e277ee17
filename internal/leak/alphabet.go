package leak

// word marks the characters of base64url, of which all that is sought here but
// authorized keys is made.
var word = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
	}
	return t
}()

// runEnd is where the run of word characters that holds i ends.
func runEnd(text []byte, i int) int {
	for i < len(text) && word[text[i]] {
		i++
	}
	return i
}

// opens tells whether a word begins at i: at the start, after what is no word
// character, after a dash that begins a line (a diff's), or after an escape that ends in one: \n, \x3d, \u003d, %3D, and a
// terminal's colours (ECMA-48 SGR and EL), which logs are full of.
func opens(text []byte, i int) bool {
	switch {
	case i == 0 || !word[text[i-1]]:
		return true
	case text[i-1] == '-' && (i == 1 || text[i-2] == '\n'):
		return true
	case i >= 2 && text[i-2] == '\\':
		return true
	case i >= 3 && text[i-3] == '%':
		return isHex(text[i-2]) && isHex(text[i-1])
	case i >= 4 && text[i-4] == '\\' && text[i-3] == 'x':
		return isHex(text[i-2]) && isHex(text[i-1])
	case text[i-1] == 'm' || text[i-1] == 'K':
		return colour(text[:i-1])
	case i >= 6 && text[i-6] == '\\' && text[i-5] == 'u':
		return isHex(text[i-4]) && isHex(text[i-3]) && isHex(text[i-2]) && isHex(text[i-1])
	}
	return false
}

// colour tells whether a text ends with what stands between a terminal's escape
// and the letter that ends its sequence. The escape itself may be gone.
func colour(text []byte) bool {
	for i := len(text) - 1; i >= 0 && i >= len(text)-colourMost; i-- {
		if c := text[i]; c == '[' {
			return true
		} else if (c < '0' || c > '9') && c != ';' && c != ':' {
			break
		}
	}
	return false
}

// colourMost is the bracket and two colours of the many: 38;5;255;48;5;255.
const colourMost = 24

// context is how many bytes before a match its finding may depend on: those
// that opens looks at, and the r of rt1.
const context = colourMost + 8

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func lowerHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func alphanumeric(b []byte) bool {
	for _, c := range b {
		if !word[c] || c == '_' || c == '-' {
			return false
		}
	}
	return true
}

// varied tells whether a text is not a placeholder: see leastDistinct.
func varied(b []byte) bool {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			if n++; n >= leastDistinct {
				return true
			}
		}
	}
	return false
}
