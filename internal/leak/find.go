package leak

// leastRun is the shortest run of word characters that a credential is made of,
// besides an authorized key.
const leastRun = apiKeyLeast

// Find yields every credential in a text, in the order in which they begin;
// none overlaps another. Each has the form that Valid asks for. It looks into
// JSON, YAML, URLs and binaries alike; it does not undo compression, base64
// or UTF-16. A credential without a checksum is found where a word
// begins (also after an escape such as \n or %3D) and ends; one with a checksum
// anywhere.
func Find(text []byte, yield func(Match)) {
	find(text, 0, len(text), yield)
}

// find yields what begins at or after from and before limit; what stands before
// from is looked at but not searched. It returns where the last match ends, or
// from.
func find(text []byte, from, limit int, yield func(Match)) int {
	key := nextWarning(text, from)
	take := func(m Match) {
		from = m.End
		yield(m)
	}
	// keys takes the authorized keys that begin before i.
	keys := func(i int) {
		for key < min(i, limit) {
			next := key + len(warning)
			if end := authorizedKeyAt(text, key); end > 0 && key >= from {
				take(Match{AuthorizedKey, key, end})
				next = end
			}
			key = nextWarning(text, next)
		}
	}
	// What begins before limit within a run or before it has a run that begins
	// at most a prefix and half a limit later; the text ends soon after limit.
	for i := from; ; {
		start := nextRun(text, i)
		if start < 0 || start-len("rt1.") >= limit {
			keys(limit)
			return from
		}
		end := runEnd(text, start+leastRun)
		keys(start)
		inRun(text, start, end, &from, limit, take)
		i = max(end, from)
	}
}

// nextRun finds the first run of at least leastRun word characters at or after
// from: where it begins, or -1. It looks at the far end of where one could be
// first, so most of a text is never looked at.
func nextRun(text []byte, from int) int {
	for i := from; i <= len(text)-leastRun; {
		at := i + leastRun - 1
		for at >= i && word[text[at]] {
			at--
		}
		if at < i {
			return i
		}
		i = at + 1
	}
	return -1
}

// inRun looks for credentials in the run text[start:end], or around it, that
// begin at or after *from, which take moves.
func inRun(text []byte, start, end int, from *int, limit int, take func(Match)) {
	if kind, first, last := tokenAround(text, start, end); kind != "" && first >= *from && first < limit {
		take(Match{kind, first, last})
		return
	}
	for i := max(start, *from); i <= end-accessSecretLength && i < limit; i++ {
		if text[i]|0x20 != 'y' { // all with a checksum begin so
			continue
		}
		if kind, last := checkedAt(text, i, end); kind != "" {
			take(Match{kind, i, last})
			i = last - 1
		}
	}
	for i := max(start, *from, end-apiKeyMost); i <= end-apiKeyLeast && i < limit; i++ {
		if last := apiKeyAt(text, i, end); last > 0 {
			take(Match{APIKey, i, last})
			return
		}
	}
}
