package leak

// Lengths, in characters.
const (
	accessSecretLength = 40
	apiKeyLeast        = 4 + 35
	apiKeyMost         = 4 + 38
	oauthTokenLeast    = 55 // after the three characters of the prefix
	oauthTokenMost     = 199
	captchaKeyLength   = 5 + 40 + 8
	clientSecretLength = 6 + 64 + 1 + 8
	payloadMost        = 7910 // of a token

	// TokenMost is the longest text of any kind but an authorized key.
	TokenMost = len("rt1.") + payloadMost + 2 + 1 + 86 + 2
	// AuthorizedKeyMost is the longest text in which an authorized key is looked
	// for. One of 4,096 bits takes 3.4 kB; escapes and indents add to it.
	AuthorizedKeyMost = 16 << 10
)

// leastDistinct is how many different characters a credential without a
// checksum has at least; a placeholder such as "AQVNxxxx…" has fewer. Of 35
// random ones fewer than 12 differ once in 10^14.
const leastDistinct = 12

// Valid tells whether a text is, from its first character to its last, a
// credential of this kind, as far as that can be told by looking at it: its
// form, its checksum where the kind has one that every maker computes, and that
// it is no placeholder. Whether anybody made it only a server knows. Propusk's
// own API keys have a checksum too, which the API's do not promise; it is not
// asked for. Valid knows nothing of a Lockbox secret but its form.
func Valid(kind Kind, text string) bool {
	if len(text) > AuthorizedKeyMost || text == "" {
		return false
	}
	if kind == LockboxSecret {
		at := kind.Regexp().FindStringIndex(text)
		return at != nil && at[0] == 0 && at[1] == len(text)
	}
	b := []byte(text)
	var end int
	switch kind {
	case IAMToken, IAMCookie, RefreshToken, SessionToken:
		found, stop := tokenFrom(b, 0)
		if found != kind {
			return false
		}
		end = stop
	case AuthorizedKey:
		end = authorizedKeyAt(b, 0)
	case APIKey:
		end = apiKeyAt(b, 0, runEnd(b, 0))
	case AccessSecret, OAuthToken, OAuthClientSecret, CaptchaKey:
		found, stop := checkedAt(b, 0, runEnd(b, 0))
		if found != kind {
			return false
		}
		end = stop
	}
	return end == len(b)
}

// tokenFrom reads a token that begins at start: its kind and its end, or no kind.
func tokenFrom(text []byte, start int) (Kind, int) {
	dot := start + 2
	if start < len(text) && text[start] == 'r' {
		dot++
	}
	if dot >= len(text) || text[dot] != '.' {
		return "", 0
	}
	kind, first, end := tokenAround(text, dot+1, runEnd(text, dot+1))
	if first != start {
		return "", 0
	}
	return kind, end
}

// tokenAround reads a token whose payload is the run text[from:to]: its kind,
// where it begins and ends; no kind when there is none.
func tokenAround(text []byte, from, to int) (kind Kind, start, end int) {
	kind, start = tokenPrefix(text, from)
	least, tailLeast := 200, 86
	if kind == SessionToken {
		least, tailLeast = 150, 43 // [API fact: about 285 characters in all]
	}
	if kind == "" || to-from < least || to-from > payloadMost {
		return "", 0, 0
	}
	i := padding(text, to)
	if i >= len(text) || text[i] != '.' {
		return "", 0, 0
	}
	end = runEnd(text, i+1)
	if n := end - i - 1; n < tailLeast || n > 86 || !varied(text[from:to]) || !varied(text[i+1:end]) {
		return "", 0, 0
	}
	return kind, start, padding(text, end)
}

// tokenPrefix finds what stands before a payload that begins at from.
func tokenPrefix(text []byte, from int) (Kind, int) {
	if from < 3 || text[from-1] != '.' || text[from-2] != '1' {
		return "", 0
	}
	kind, start := Kind(""), from-3
	switch text[start] {
	case 't':
		kind = IAMToken
		if start > 0 && text[start-1] == 'r' && opens(text, start-1) && (start < 2 || text[start-2] != '\\') { // \r is an escape
			kind, start = RefreshToken, start-1
		}
	case 'c':
		kind = IAMCookie
	case 's':
		kind = SessionToken
	}
	if kind == "" || !opens(text, start) {
		return "", 0
	}
	return kind, start
}

// padding steps over at most two characters of padding.
func padding(text []byte, i int) int {
	for n := 0; n < 2 && i < len(text) && text[i] == '='; n++ {
		i++
	}
	return i
}

// apiKeyAt reads an API key that begins at start of a run that ends at to, and
// tells where the key ends, which is there; 0 when there is none.
func apiKeyAt(text []byte, start, to int) int {
	if n := to - start; n < apiKeyLeast || n > apiKeyMost {
		return 0
	}
	if p := string(text[start : start+4]); p != "AQVN" && p != "AQW9" || !opens(text, start) || !varied(text[start+4:to]) {
		return 0
	}
	return to
}

// checkedAt reads a credential with a checksum that begins at start of a run
// that ends at to. The checksum makes it certain: it may stand within a longer
// word. Its kind is empty when there is none.
func checkedAt(text []byte, start, to int) (Kind, int) {
	b := text[start:to]
	if len(b) < accessSecretLength {
		return "", 0
	}
	switch {
	case b[0] == 'Y':
		if b[1] == 'C' && accessSecretSum(b[:accessSecretLength]) {
			return AccessSecret, start + accessSecretLength
		}
	case b[0] != 'y':
	case b[2] == '_' && b[1] >= '0' && b[1] <= '6':
		// To the end of its word, or as long as most are.
		for _, n := range [...]int{min(len(b)-3, oauthTokenMost), oauthTokenLeast} {
			if n >= oauthTokenLeast && len(b)-3 >= n && oauthTokenSum(b[:3+n]) {
				return OAuthToken, start + 3 + n
			}
		}
	case string(b[:5]) == "ysc2_":
		if len(b) >= captchaKeyLength && alphanumeric(b[5:captchaKeyLength-8]) && lowerHex(b[captchaKeyLength-8:captchaKeyLength]) &&
			captchaKeySum(b[:captchaKeyLength]) {
			return CaptchaKey, start + captchaKeyLength
		}
	case string(b[:6]) == "yccs__":
		if len(b) >= clientSecretLength && lowerHex(b[6:70]) && b[70] == '_' && lowerHex(b[71:clientSecretLength]) &&
			clientSecretSum(b[:clientSecretLength]) {
			return OAuthClientSecret, start + clientSecretLength
		}
	}
	return "", 0
}
