package leak

// Mask is what may be shown of a credential: the characters that tell its kind,
// four stars, and the last four; of an API key the last six, as the API itself
// shows them, by which it is found in a list of keys [API fact: masked_secret].
// Of an authorized key it is the key's id, which is no secret. A text too short
// to be of the kind is all stars.
func Mask(kind Kind, text string) string {
	const stars = "****"
	if kind == AuthorizedKey {
		if id := KeyID(text); id != "" {
			return "key " + id
		}
		return stars
	}
	shown := 4
	switch kind {
	case APIKey:
		shown = 6
	case LockboxSecret:
		shown = 0 // it may be a short password
	}
	prefix := prefixLength[kind]
	if prefix == 0 || len(text) < 20 {
		return stars
	}
	return text[:prefix] + stars + text[len(text)-shown:]
}

var prefixLength = map[Kind]int{
	IAMToken: 3, IAMCookie: 3, RefreshToken: 4, SessionToken: 3, APIKey: 4, AccessSecret: 2,
	OAuthToken: 3, OAuthClientSecret: 6, CaptchaKey: 5, LockboxSecret: 2,
}
